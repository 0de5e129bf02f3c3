import assert from "node:assert/strict";
import test from "node:test";
import { VmError } from "../../src/vm/errors.js";
import { get } from "../../src/vm/fetch.js";
import { WorkerLink } from "../../src/vm/link.js";

// The page's policy, and what it has to do with a machine.

/**
 * A document whose policy refuses things, and that counts who listens.
 * @param {import("node:test").TestContext} t
 */
function page(t) {
  const document = new EventTarget();
  const listeners = new Set();
  for (const [name, note] of [["addEventListener", "add"], ["removeEventListener", "delete"]]) {
    document[name] = (type, listener) => {
      listeners[note](listener);
      EventTarget.prototype[name].call(document, type, listener);
    };
  }
  globalThis.document = document;
  t.after(() => { delete globalThis.document; });
  const refuse = (effectiveDirective, disposition = "enforce") =>
    document.dispatchEvent(Object.assign(new Event("securitypolicyviolation"), { effectiveDirective, disposition }));
  return { listeners, refuse };
}

function link() {
  const crashes = [];
  const worker = { postMessage() {}, terminate() {} };
  const made = new WorkerLink(worker, "worker.js", { onEvent() {}, onCrash: (error) => crashes.push(error), watchdog: false });
  return { made, worker, crashes };
}

const OTHERS = ["img-src", "style-src-elem", "font-src", "frame-src", "trusted-types", "require-trusted-types-for"];

test("a worker that is not there is told apart from one that the policy refuses", (t) => {
  const { refuse } = page(t);
  for (const directive of ["worker-src", "child-src", "script-src", "default-src"]) {
    const { worker, crashes } = link();
    refuse(directive);
    refuse("img-src");
    worker.onerror({});
    assert.deepEqual([crashes[0].code, crashes[0].detail.directive], ["csp", directive]);
  }
  const { worker, crashes } = link();
  for (const directive of [...OTHERS, "connect-src", "script-src-elem", "script-src-attr"]) refuse(directive);
  refuse("worker-src", "report");
  worker.onerror({});
  assert.equal(crashes[0].code, "not-found");
});

test("a file that is not there is told apart from one that the policy refuses", async (t) => {
  const { refuse, listeners } = page(t);
  const ask = (...directives) => {
    const asked = get("http://127.0.0.1:1/", { limit: 1 });
    directives.forEach((directive) => refuse(directive));
    return asked;
  };
  for (const directive of ["connect-src", "default-src"]) {
    await assert.rejects(ask(directive, "img-src"), (error) => error.code === "csp" && error.detail.directive === directive);
  }
  await assert.rejects(ask(...OTHERS, "worker-src", "script-src-elem"), { code: "offline" });
  assert.equal(listeners.size, 0);
});

test("a worker that is given up before it said a word leaves nothing on the page", (t) => {
  const { listeners } = page(t);
  const { made } = link();
  assert.equal(listeners.size, 1);
  made.close(new VmError("aborted", "given up"));
  assert.equal(listeners.size, 0);
});

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { Agent } from "../../src/vm/agent.js";
import { VmConsole } from "../../src/vm/console.js";
import { VmError } from "../../src/vm/errors.js";

// The agent against the shells that guests have, over a pipe or a terminal as a console is one.

const have = (program) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
const SHELLS = [["dash", ["dash"]], ["busybox", ["busybox", "sh"]], ["bash", ["bash"]]].filter(([name]) => have(name));

function connect(t, [program, ...args]) {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], env: { PATH: process.env.PATH, PS1: "", PS2: "" } });
  t.after(() => child.kill("SIGKILL"));
  const console = new VmConsole(1, (bytes) => new Promise((resolve) => child.stdin.write(bytes, () => resolve())), () => {});
  child.stdout.on("data", (bytes) => console.receive(new Uint8Array(bytes)));
  child.stdin.on("error", () => {});
  return { agent: new Agent(console), child, console };
}

function folder(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "agent-"));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  return dir;
}

function noise(size) {
  const bytes = new Uint8Array(size);
  let x = 12345;
  for (let i = 0; i < size; i++) bytes[i] = (x = (x * 1103515245 + 12345) & 0x7fffffff) >> 16;
  return bytes;
}

for (const [name, argv] of SHELLS) {
  test(`${name}: status and output of a command come back`, async (t) => {
    const { agent } = connect(t, argv);
    assert.deepEqual(await agent.run("echo hello; echo trouble >&2; false"), {
      code: 1, output: "hello\ntrouble\n", bytes: new TextEncoder().encode("hello\ntrouble\n"),
    });
    assert.equal((await agent.run("exit 42")).code, 42);
    assert.equal((await agent.run("nosuchcommand")).code, 127);
  });

  test(`${name}: quotes, newlines and markers in a command are the command's own`, async (t) => {
    const { agent } = connect(t, argv);
    const { output } = await agent.run("printf '%s|' 'it'\\''s' \"two\nlines\" '$HOME' '\\036'\nprintf '\\036 0123456789abcdef 7\\036'");
    assert.equal(output, "it's|two\nlines|$HOME|\\036|\x1e 0123456789abcdef 7\x1e");
  });

  test(`${name}: a mistake of syntax does not end the shell`, async (t) => {
    const { agent } = connect(t, argv);
    assert.notEqual((await agent.run("echo 'unfinished")).code, 0);
    assert.notEqual((await agent.run("if true; then")).code, 0);
    assert.equal((await agent.run("echo still here")).output, "still here\n");
  });

  test(`${name}: a command that reads finds nothing and not the next command`, async (t) => {
    const { agent } = connect(t, argv);
    const [first, second] = await Promise.all([agent.run("cat; echo done"), agent.run("echo second")]);
    assert.equal(first.output, "done\n");
    assert.equal(second.output, "second\n");
  });

  test(`${name}: every byte value survives an upload and a download`, async (t) => {
    const { agent } = connect(t, argv);
    const file = path.join(folder(t), "it's a file");
    const bytes = noise(200_001);
    const seen = [];
    await agent.upload(file, bytes, { onProgress: (p) => seen.push(p.loaded) });
    assert.deepEqual(new Uint8Array(fs.readFileSync(file)), bytes);
    assert.deepEqual(seen, [0, 47104, 94208, 141312, 188416, 200001]);
    const back = new Uint8Array(await (await agent.download(file)).arrayBuffer());
    assert.deepEqual(back, bytes);
    await agent.upload(file, "");
    assert.equal((await agent.download(file)).size, 0);
  });

  test(`${name}: what cannot be read or written is said, and leaves nothing behind`, async (t) => {
    const { agent } = connect(t, argv);
    const dir = folder(t);
    await assert.rejects(agent.download(`${dir}/none`), (e) => e instanceof VmError && e.code === "not-found");
    await assert.rejects(agent.download(dir), /is a directory/);
    await assert.rejects(agent.upload(`${dir}/no/where`, "x"), (e) => e.code === "not-found");
    const control = new AbortController();
    const onProgress = ({ loaded }) => loaded > 0 && control.abort();
    await assert.rejects(agent.upload(`${dir}/half`, noise(200000), { signal: control.signal, onProgress }), { code: "aborted" });
    assert.equal((await agent.run("echo next")).output, "next\n");
    assert.deepEqual(fs.readdirSync(dir), []);
  });

  test(`${name}: an upload into a directory's place is refused, and puts nothing into it`, async (t) => {
    const { agent } = connect(t, argv);
    const dir = folder(t);
    fs.mkdirSync(`${dir}/inner`);
    fs.symlinkSync("inner", `${dir}/link`);
    for (const at of [dir, `${dir}/inner`, `${dir}/inner/`, `${dir}/link`]) {
      const onProgress = () => assert.fail("nothing is sent");
      await assert.rejects(agent.upload(at, "x", { onProgress }), { code: "not-found", message: `${at} cannot be written: it is a directory` });
    }
    // One that is made while the file is on its way.
    const onProgress = ({ loaded }) => loaded > 0 && fs.mkdirSync(`${dir}/late`);
    await assert.rejects(agent.upload(`${dir}/late`, "x", { onProgress }), /it is a directory/);
    assert.deepEqual(fs.readdirSync(dir, { recursive: true }).sort(), ["inner", "late", "link"]);
  });

  test(`${name}: an upload touches no file but its own, whatever its name`, async (t) => {
    const { agent, child } = connect(t, argv);
    const dir = folder(t);
    fs.writeFileSync(`${dir}/file.part`, "the guest's own");
    fs.writeFileSync(`${dir}/file`, "old");
    const control = new AbortController();
    const onProgress = ({ loaded }) => loaded > 0 && control.abort();
    await assert.rejects(agent.upload(`${dir}/file`, noise(200000), { signal: control.signal, onProgress }), { code: "aborted" });
    assert.equal(fs.readFileSync(`${dir}/file`, "utf8"), "old");
    await agent.upload(`${dir}/file`, "new");
    child.stdin.write(`cd ${dir}\n`);
    const names = ["-rf", "x".repeat(255), "file"];
    for (const name of names) {
      await agent.upload(name, `of ${name}`);
      assert.equal(await (await agent.download(name)).text(), `of ${name}`);
    }
    assert.equal(fs.readFileSync(`${dir}/file.part`, "utf8"), "the guest's own");
    assert.deepEqual(fs.readdirSync(dir).sort(), [...names, "file.part"].sort());
  });
}

test("a mistake of the caller's is told as one, breaks off what it concerns, and leaves nothing behind", async (t) => {
  const { agent } = connect(t, ["sh"]);
  const dir = folder(t);
  const file = `${dir}/file`;
  fs.writeFileSync(file, "old");
  const wrong = new Error("of the caller's");
  const onProgress = ({ loaded }) => { if (loaded > 0) throw wrong; };
  const broken = (error) => error.code === "aborted" && error.cause === wrong && error.message === wrong.message;
  await assert.rejects(agent.upload(file, noise(100_000), { onProgress }), broken);
  await assert.rejects(agent.download(file, { onProgress }), broken);
  const here = path.join(folder(t), "here");
  fs.writeFileSync(here, noise(100_000));
  const blob = await fs.openAsBlob(here);
  // As a user who saves the file while it is on its way.
  const saves = ({ loaded }) => { if (loaded > 0) fs.writeFileSync(here, "another"); };
  await assert.rejects(agent.upload(file, blob, { onProgress: saves }), (error) => error.code === "changed" && error.cause.name === "NotReadableError");
  for (const none of [undefined, 5, ""]) {
    await assert.rejects(agent.upload(none, "x"), { code: "not-found", message: `${JSON.stringify(none)} is no path` });
    await assert.rejects(agent.download(none), { code: "not-found" });
  }
  await assert.rejects(agent.run(5), { code: "unsupported", message: "run takes a text, and 5 is none" });
  assert.equal((await agent.run("echo next")).output, "next\n");
  assert.deepEqual(fs.readdirSync(dir), ["file"]);
  assert.equal(fs.readFileSync(file, "utf8"), "old");
});

test("a disk that is full is said, and the rest of the file is not taken for commands", { skip: !fs.existsSync("/dev/full") }, async (t) => {
  const { agent, child } = connect(t, ["sh"]);
  const dir = folder(t);
  child.stdin.write('base64() { command base64 "$@" >/dev/full; }\n');
  const evil = Buffer.from(`touch ${dir}/evil\n`.padStart(57 * 3), "latin1");
  await assert.rejects(agent.upload(`${dir}/file`, new Uint8Array(Buffer.concat(Array(2000).fill(evil)))), { code: "quota" });
  assert.equal((await agent.run("echo next")).output, "next\n");
});

test("output above the limit interrupts with `memory`", async (t) => {
  const { agent } = connect(t, ["sh"]);
  await assert.rejects(agent.run("head -c 100000 /dev/zero", { limit: 5000 }), (e) => e.code === "memory");
  assert.equal((await agent.run("echo after")).output, "after\n");
});

test("a guest that sends more than it said is cut there and interrupted", async () => {
  const send = (text) => console.receive(new TextEncoder().encode(text));
  let floods = false;
  let interrupts = 0;
  const console = new VmConsole(1, async (bytes) => {
    const text = new TextDecoder().decode(bytes);
    if (text.startsWith("\x03")) {
      interrupts += 1;
      floods = false;
    }
    const nonce = /036([0-9a-f]{16})/.exec(text)?.[1];
    if (!nonce) return;
    await null;
    send(`\x1e${nonce}\x1e`);
    if (!text.includes("base64 <")) return send(`10\n\x1e${nonce} 0\x1e`);
    floods = true;
    void flood();
  }, () => {});
  // More than any test has patience for, unless it is stopped.
  const flood = async () => {
    for (let i = 0; floods && i < 1e6; i++) {
      send("QUJD".repeat(1000));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const seen = [];
  const blob = await new Agent(console).download("/x", { onProgress: ({ loaded, total }) => seen.push([loaded, total]) });
  assert.equal(await blob.text(), "ABCABCABCA");
  assert.deepEqual(seen, [[0, 10], [10, 10]]);
  assert.equal(interrupts, 1);
});

test("a file that grows is as long as it was, one that is short is said", async (t) => {
  const { agent, child } = connect(t, ["sh"]);
  const file = path.join(folder(t), "log");
  fs.writeFileSync(file, "hello world");
  // As if it had been shorter, or longer, when it was asked for its size.
  child.stdin.write("wc() { echo 5; }\n");
  assert.equal(await (await agent.download(file)).text(), "hello");
  child.stdin.write("wc() { echo 50; }\n");
  await assert.rejects(agent.download(file), { code: "integrity", message: `${file}: 11 of 50 bytes arrived` });
  child.stdin.write("wc() { echo -5; }\n");
  await assert.rejects(agent.download(file), { code: "unsupported" });
});

test("a limit holds for a file, also for one that tells no size", { skip: !fs.existsSync("/proc/version") }, async (t) => {
  const { agent } = connect(t, ["sh"]);
  assert.equal(await (await agent.download("/proc/version")).text(), fs.readFileSync("/proc/version", "latin1"));
  await assert.rejects(agent.download("/proc/version", { limit: 10 }), { code: "memory", message: "/proc/version has more than 10 bytes" });
  const file = path.join(folder(t), "eleven");
  fs.writeFileSync(file, "hello world");
  assert.equal((await agent.download(file, { limit: 11 })).size, 11);
  let loaded = 0;
  await assert.rejects(agent.download(file, { limit: 10, onProgress: (p) => { loaded = p.loaded; } }), { code: "memory" });
  assert.equal(loaded, 0, "nothing of it was fetched");
});

test("a shell that appears late is found, and its first lines may be lost", async () => {
  let open = false;
  const console = new VmConsole(1, async (bytes) => {
    const text = new TextDecoder().decode(bytes);
    const nonce = /036([0-9a-f]{16})/.exec(text)?.[1];
    if (open && nonce) queueMicrotask(() => console.receive(new TextEncoder().encode(`login\x1e${nonce}\x1ehi\x1e${nonce} 3\x1e`)));
  }, () => {});
  setTimeout(() => { open = true; }, 700);
  assert.equal((await new Agent(console).run("x")).code, 3);
});

test("a guest without a shell is asked once, until it has taken that", async () => {
  let taken = () => {};
  let asked = 0;
  const console = new VmConsole(1, () => { asked += 1; return new Promise((resolve) => { taken = resolve; }); }, () => {});
  const agent = new Agent(console);
  const run = agent.run("x");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal(asked, 1);
  for (let i = 0; i < 5; i++) {
    taken();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.equal(asked, 2, "none had been kept to be asked later");
  agent.end(new VmError("crashed", "gone"));
  await assert.rejects(run, { code: "crashed" });
});

test("who waits for a machine that stands still hears of its end", async () => {
  const agent = new Agent(new VmConsole(1, async () => assert.fail("nothing is written"), () => {}));
  agent.hold(true);
  const run = agent.run("x");
  await new Promise((resolve) => setTimeout(resolve, 5));
  agent.end(new VmError("crashed", "gone"));
  await assert.rejects(run, { code: "crashed" });
});

test("a file without an end is read to the limit, and the shell is back", { skip: !have("script") }, async (t) => {
  const { agent } = connect(t, ["script", "-qfec", "stty raw -echo; exec sh", "/dev/null"]);
  await assert.rejects(agent.download("/dev/zero", { limit: 100_000, timeout: 30_000 }), { code: "memory", message: "/dev/zero has more than 100000 bytes" });
  assert.equal((await agent.run("echo next")).output, "next\n");
});

test("timeout, abort and the end of the machine reject who waits", { timeout: 20_000 }, async () => {
  const silent = new VmConsole(1, async () => {}, () => {});
  const agent = new Agent(silent);
  await assert.rejects(agent.run("x", { timeout: 50 }), (e) => e.code === "aborted" && /too long/.test(e.message));
  const control = new AbortController();
  const first = agent.run("x");
  const second = agent.run("y", { signal: control.signal });
  control.abort();
  await assert.rejects(second, (e) => e.code === "aborted");
  await assert.rejects(agent.run("late", { signal: control.signal }), { code: "aborted" }, "not in its turn, which does not come");
  agent.end(new VmError("crashed", "gone"));
  await assert.rejects(first, (e) => e.code === "crashed");
  await assert.rejects(agent.run("z"), (e) => e.code === "crashed");
});

test("an abort interrupts the command where the console is a terminal", { skip: !have("script") }, async (t) => {
  const { agent } = connect(t, ["script", "-qfec", "stty raw -echo; exec sh", "/dev/null"]);
  assert.equal((await agent.run("echo up")).output, "up\n");
  const began = Date.now();
  await assert.rejects(agent.run("sleep 30", { timeout: 300 }), (e) => e.code === "aborted");
  assert.equal((await agent.run("echo next")).output, "next\n");
  assert.ok(Date.now() - began < 8000, "the shell is back before the command would have ended");
});

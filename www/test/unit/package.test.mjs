import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import zlib from "node:zlib";
import esbuild from "esbuild";

// What `build.mjs` makes: the files of a page and the npm package, with the worker of the tests.

const WWW = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);
let dir;
/** What npm packs. @type {string[]} */
let packed;
const read = (name) => fs.readFileSync(path.join(dir, name), "utf8");

before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "virtarium-package-"));
  fs.writeFileSync(path.join(dir, "some.wasm"), "wasm");
  fs.writeFileSync(path.join(dir, "notices.txt"), "==== a crate ====\n");
  await run(process.execPath, [path.join(WWW, "build.mjs"), "--out", path.join(dir, "web"), "--npm", path.join(dir, "npm"), "--single",
    "--wasm", path.join(dir, "some.wasm"), "--notices", path.join(dir, "notices.txt"), "--worker", path.join(WWW, "test/mock-worker.js")]);
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], { cwd: path.join(dir, "npm") });
  packed = JSON.parse(stdout)[0].files.map((file) => file.path).sort();
  // The folder of an application that has installed the package, and nothing that is not in it.
  for (const file of packed) fs.cpSync(path.join(dir, "npm", file), path.join(dir, "app/node_modules/virtarium", file));
  fs.symlinkSync(path.join(WWW, "node_modules/@xterm"), path.join(dir, "app/node_modules/@xterm"));
  fs.writeFileSync(path.join(dir, "app/package.json"), '{ "type": "module" }');
  fs.cpSync(path.join(WWW, "test/types/consumer"), path.join(dir, "app"), { recursive: true });
});
after(() => fs.rmSync(dir, { recursive: true }));

test("a page has its files, and the licences of what is bundled", () => {
  assert.deepEqual(fs.readdirSync(path.join(dir, "web")).sort(), ["LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY.txt", "icon.js", "index.html", "page.css",
    "page.js", "virtarium.js", "virtarium.single.js", "virtarium.wasm", "worker.js"]);
  const text = read("web/THIRD-PARTY.txt");
  const { dependencies } = JSON.parse(fs.readFileSync(path.join(WWW, "package.json"), "utf8"));
  for (const [name, version] of Object.entries(dependencies)) {
    const [, part] = text.split(`==== virtarium.js: ${name} ${version}: MIT ====`);
    assert.match(part?.split("====")[0] ?? "", /Copyright[^]*Permission is hereby granted[^]*The above copyright notice/, name);
  }
  assert.match(text, /\n==== a crate ====\n$/);
  assert.equal(read("npm/THIRD-PARTY.txt"), text);
  for (const file of ["virtarium.js", "virtarium.single.js", "worker.js"]) assert.match(read(`web/${file}`), /Licences: THIRD-PARTY\.txt/);
});

test("a folder that is no package of ours is not replaced by one", async () => {
  const build = (/** @type {string} */ to) => run(process.execPath, [path.join(WWW, "build.mjs"), "--out", path.join(dir, "again"), "--npm", to,
    "--worker", path.join(WWW, "test/mock-worker.js")]);
  const mine = path.join(dir, "mine");
  fs.mkdirSync(mine);
  fs.writeFileSync(path.join(mine, "thesis.txt"), "years");
  await assert.rejects(build(mine), /mine: the folder is not empty and no package/);
  // The folder of these sources has a package.json of the same name.
  fs.copyFileSync(path.join(WWW, "package.json"), path.join(mine, "package.json"));
  await assert.rejects(build(mine), /name another one/);
  await assert.rejects(build(path.join(mine, "thesis.txt")), /name another one/);
  assert.equal(fs.readFileSync(path.join(mine, "thesis.txt"), "utf8"), "years");
  assert.ok(!fs.existsSync(path.join(dir, "again")), "nothing was built before");
  const ours = path.join(dir, "ours");
  fs.mkdirSync(ours);
  await build(ours);
  fs.writeFileSync(path.join(ours, "old.js"), "");
  await build(ours);
  assert.ok(!fs.existsSync(path.join(ours, "old.js")));
});

test("bundlers and browsers find worker and module beside the file", () => {
  const code = read("web/virtarium.js");
  for (const name of ["worker.js", "virtarium.wasm"]) {
    assert.ok(code.includes(`new URL("./${name}",import.meta.url)`), name);
  }
  assert.doesNotMatch(code, /\beval\(|new Function\(/);
});

test("the element and its terminal stay below 150 KB", () => {
  const size = zlib.gzipSync(fs.readFileSync(path.join(dir, "web/virtarium.js")), { level: 9 }).length;
  assert.ok(size < 150 * 1024, `${size} bytes`);
});

test("the single file carries the worker", () => {
  assert.ok(read("web/virtarium.single.js").includes("root@mock"));
  assert.ok(!read("web/virtarium.js").includes("root@mock"));
});

test("npm packs these files and no others", () => {
  assert.equal(JSON.parse(read("npm/package.json")).name, "virtarium");
  assert.deepEqual(packed, ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "THIRD-PARTY.txt", "custom-elements.json", "element.d.ts",
    "element.js", "index.d.ts", "index.js", "package.json", "react.d.ts", "virtarium.js", "virtarium.wasm", "vm.js", "worker.js"]);
});

test("every export of the package is a file, and the API loads without a page", async () => {
  const manifest = JSON.parse(read("npm/package.json"));
  const targets = Object.values(manifest.exports).flatMap((to) => (typeof to === "string" ? [to] : Object.values(to)));
  for (const file of [...targets, manifest.unpkg, manifest.customElements]) assert.ok(fs.existsSync(path.join(dir, "npm", file)), file);
  assert.deepEqual(Object.keys(manifest.dependencies).every((name) => name.startsWith("@xterm/")), true);
  assert.equal(manifest.devDependencies, undefined);
  const api = await import(path.join(dir, "npm/index.js"));
  assert.deepEqual(Object.keys(api).sort(), ["ERROR_CODES", "PROTOCOL", "Vm", "VmConsole", "VmError", "resolveMachine"]);
  assert.match(read("npm/element.js"), /from "@xterm\/xterm"/);
  const element = JSON.parse(read("npm/custom-elements.json")).modules[0].declarations[0];
  assert.ok(element.attributes.some(({ name }) => name === "worker-src"));
});

test("a server that makes pages may import the element, and cannot make one", async () => {
  const program = `
    import * as element from "virtarium/element";
    import * as api from "virtarium";
    const made = await Promise.resolve().then(() => new element.VirtariumVm()).catch((error) => error);
    console.log(JSON.stringify([Object.keys(element), Object.keys(api), typeof customElements, made.code, made.message]));`;
  fs.writeFileSync(path.join(dir, "app/server.js"), program);
  const names = ["ERROR_CODES", "PROTOCOL", "Vm", "VmConsole", "VmError", "resolveMachine"];
  const expected = [["ERROR_CODES", "PROTOCOL", "VirtariumVm", ...names.slice(2)], names, "undefined", "unsupported",
    "<virtarium-vm> is an element of a page, and there is no page here"];
  const { stdout } = await run(process.execPath, ["server.js"], { cwd: path.join(dir, "app") });
  assert.deepEqual(JSON.parse(stdout), expected);
  // As in a function at the edge, of a bundler's: it takes what is for browsers, and there is no page either.
  await esbuild.build({ absWorkingDir: path.join(dir, "app"), entryPoints: ["server.js"], bundle: true, format: "esm", platform: "browser", outfile: "edge.mjs", logLevel: "silent" });
  assert.deepEqual(JSON.parse((await run(process.execPath, ["edge.mjs"], { cwd: path.join(dir, "app") })).stdout), expected);
});

test("a bundler makes one file of the element and its xterm.js, without a warning", async () => {
  fs.writeFileSync(path.join(dir, "app/page.js"), 'import { VirtariumVm } from "virtarium/element";\nimport { Vm } from "virtarium";\nconsole.log(VirtariumVm, Vm);');
  const { metafile, warnings } = await esbuild.build({ absWorkingDir: path.join(dir, "app"), entryPoints: ["page.js"], bundle: true, format: "esm",
    target: "es2022", outfile: "dist/page.js", metafile: true, logLevel: "silent" });
  assert.deepEqual(warnings, []);
  const inputs = Object.keys(metafile.inputs).map((file) => file.replace(/^.*node_modules\//, ""));
  assert.ok(inputs.includes("@xterm/xterm/lib/xterm.mjs"), inputs.join());
  assert.deepEqual(inputs.filter((file) => file.startsWith("virtarium/")).sort(), ["virtarium/element.js", "virtarium/index.js", "virtarium/vm.js"]);
  const code = read("app/dist/page.js");
  for (const name of ["worker.js", "virtarium.wasm"]) assert.ok(code.includes(`new URL("./${name}", import.meta.url)`), name);
});

/** What our declaration for React needs of React's own, which the package does not depend on. */
const REACT = {
  "index.d.ts": `export interface HTMLAttributes<T> { className?: string; children?: unknown; onClick?: (event: { currentTarget: T }) => void }
    export type DetailedHTMLProps<E extends HTMLAttributes<T>, T> = E & { ref?: (element: T | null) => void };
    export namespace JSX { interface Element {} interface ElementChildrenAttribute { children: {} } interface IntrinsicElements { p: HTMLAttributes<HTMLParagraphElement> } }`,
  "jsx-runtime.d.ts": 'import * as React from "./index.js"; export { JSX } from "./index.js"; export declare const jsx: unknown, jsxs: unknown, Fragment: unknown;',
  "package.json": '{ "name": "react", "exports": { ".": { "types": "./index.d.ts" }, "./jsx-runtime": { "types": "./jsx-runtime.d.ts" } } }',
};

const VIEW = `import type {} from "virtarium/react";
import machine from "./machine.json";

export const View = () => (
  <virtarium-vm src="m.json" machine={machine} cpus={2} memory="64M" kernelAppend="quiet" persist={null} autostart theme="dark" rows={20} className="lesson"
    ref={(vm) => void vm?.start()} onvm-ready={({ detail }) => void detail.vm.run("true")} onvm-output={({ detail }) => void new Blob([detail.bytes])}>
    <p>Needs WebAssembly.</p>
  </virtarium-vm>
);
// @ts-expect-error no such theme
export const wrong = <virtarium-vm theme="red" />;
`;

// As a project that leaves no declaration unchecked, with the libraries of its target and with its own list.
for (const [resolution, module, ...lib] of [["node16", "node16", "--lib", "es2022,dom"], ["bundler", "esnext"]]) {
  test(`a program compiles against the package: ${resolution}`, async () => {
    fs.mkdirSync(path.join(dir, "app/node_modules/react"), { recursive: true });
    for (const [name, text] of Object.entries(REACT)) fs.writeFileSync(path.join(dir, "app/node_modules/react", name), text);
    fs.writeFileSync(path.join(dir, "app/view.tsx"), VIEW);
    await run(path.join(WWW, "node_modules/.bin/tsc"), ["--noEmit", "--strict", "--skipLibCheck", "false", "--target", "es2022", ...lib,
      "--types", "", "--resolveJsonModule", "--jsx", "react-jsx", "--module", module, "--moduleResolution", resolution, "app.ts", "view.tsx"], { cwd: path.join(dir, "app") })
      .catch((error) => assert.fail(error.stdout || error));
  });
}

test("the lock file names no registry", () => {
  assert.doesNotMatch(fs.readFileSync(path.join(WWW, "package-lock.json"), "utf8"), /"resolved"/);
});

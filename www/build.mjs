// Builds what a page loads: `node build.mjs --out DIR [--wasm FILE] [--bindgen FILE]`.
//
//   virtarium.js   the element and the API, with xterm.js in it
//   worker.js      what runs in the machine's worker
//   virtarium.wasm a copy of --wasm
//   index.html, page.js, page.css, icon.js   the page of `virtarium serve` and `virtarium site`
//   LICENSE-*, THIRD-PARTY.txt   our licences, and those of what others wrote in it
//
// --bindgen FILE   the module of wasm-bindgen's that src/worker imports as "virtarium-wasm"
// --worker FILE    another worker (the tests have one)
// --notices FILE   the licences of what is in --wasm, for THIRD-PARTY.txt
// --single         also virtarium.single.js, with the worker inside
// --npm DIR        also the folder of the npm package
// --dev            readable, with source maps

import { parseArgs } from "node:util";
import * as fs from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const at = (/** @type {string[]} */ ...parts) => path.join(here, ...parts);

/** A style sheet becomes a string: a shadow root adopts it. @type {esbuild.Plugin} */
const styles = {
  name: "styles",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async (args) => {
      const text = await fs.readFile(args.path, "utf8");
      const { code } = await esbuild.transform(text, { loader: "css", minify: true, legalComments: "none" });
      return { contents: code, loader: "text" };
    });
  },
};

/** @param {string} file @returns {esbuild.Plugin} */
const bindgen = (file) => ({
  name: "bindgen",
  setup(build) {
    build.onResolve({ filter: /^virtarium-wasm$/ }, () => ({ path: path.resolve(file) }));
  },
});

/** @param {string} file */
async function exists(file) {
  return fs.access(file).then(() => true, () => false);
}

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    wasm: { type: "string" },
    bindgen: { type: "string" },
    notices: { type: "string" },
    worker: { type: "string", default: at("src/worker/worker.js") },
    npm: { type: "string" },
    single: { type: "boolean", default: false },
    dev: { type: "boolean", default: false },
  },
});
if (!values.out) {
  console.error("build.mjs: --out DIR is missing");
  process.exit(2);
}
/** `virtarium serve` and `virtarium site` give these out as they are. */
const PAGE = ["index.html", "page.js", "page.css", "icon.js"];
const LICENCES = ["LICENSE-MIT", "LICENSE-APACHE"];
const THIRD_PARTY = "THIRD-PARTY.txt";
const out = path.resolve(values.out);
const npm = values.npm && path.resolve(values.npm);
if (!(await exists(values.worker))) {
  console.error(`build.mjs: there is no worker at ${values.worker}; --worker FILE names one`);
  process.exit(2);
}
if (npm && !(await replaceable(npm))) {
  console.error(`build.mjs: --npm ${npm}: the folder is not empty and no package of this program, which would take its place; name another one`);
  process.exit(2);
}
await fs.mkdir(out, { recursive: true });

/** @type {esbuild.BuildOptions} */
const common = {
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: !values.dev,
  sourcemap: values.dev,
  legalComments: "none",
  banner: { js: `/*! Licences: ${THIRD_PARTY} */` },
  metafile: true,
  charset: "utf8",
  logLevel: "warning",
  absWorkingDir: here,
  plugins: [styles, ...(values.bindgen ? [bindgen(values.bindgen)] : [])],
};

const built = [
  await esbuild.build({ ...common, entryPoints: [values.worker], outfile: path.join(out, "worker.js") }),
  await esbuild.build({ ...common, entryPoints: [at("src/element.js")], outfile: path.join(out, "virtarium.js") }),
];
await fs.writeFile(path.join(out, THIRD_PARTY), await thirdParty(built.flatMap(({ metafile }) => Object.keys(metafile.inputs))));
for (const file of LICENCES) await fs.copyFile(at("..", file), path.join(out, file));
if (values.single) await single(path.join(out, "virtarium.single.js"));
for (const file of PAGE) await fs.copyFile(at("page", file), path.join(out, file));
if (values.wasm) await fs.copyFile(values.wasm, path.join(out, "virtarium.wasm"));
if (npm) await npmPackage(npm);

/**
 * What others wrote in the page, with their licences.
 * @param {string[]} inputs The files that were bundled.
 */
async function thirdParty(inputs) {
  const packages = new Set(inputs.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []));
  const parts = [
    `What others wrote in this page, and its licences.

Virtarium itself is under MIT or Apache-2.0, as you like: ${LICENCES.join(", ")}.`,
  ];
  for (const folder of [...packages].sort()) {
    const { name, version, license } = JSON.parse(await fs.readFile(at(folder, "package.json"), "utf8"));
    const files = (await fs.readdir(at(folder))).filter((file) => /^(licen[sc]e|notice|copying)/i.test(file));
    if (files.length === 0) throw new Error(`${name} has no file with its licence`);
    const texts = await Promise.all(files.map((file) => fs.readFile(at(folder, file), "utf8")));
    parts.push(`==== virtarium.js: ${name} ${version}: ${license} ====`, ...texts.map((text) => text.trim()));
  }
  if (values.notices) parts.push((await fs.readFile(values.notices, "utf8")).trim());
  return `${parts.join("\n\n")}\n`;
}

/**
 * Whether a folder may be replaced by a package: it is not there, empty, or one that was made here.
 * @param {string} dir
 */
async function replaceable(dir) {
  const files = await fs.readdir(dir).catch((error) => (error.code === "ENOENT" ? [] : undefined));
  if (!files?.length) return files !== undefined;
  try {
    const { name, unpkg, scripts } = JSON.parse(await fs.readFile(path.join(dir, "package.json"), "utf8"));
    return name === "virtarium" && unpkg === "./virtarium.js" && scripts === undefined;
  } catch {
    return false;
  }
}

/**
 * The element with the worker's text in it: one script tag, and the module of WebAssembly beside it.
 * @param {string} outfile
 */
async function single(outfile) {
  // As a script: a blob cannot be a module's worker in every frame.
  const built = await esbuild.build({ ...common, sourcemap: false, format: "iife", write: false, legalComments: "none", entryPoints: [values.worker] });
  const worker = built.outputFiles[0].text;
  /** @type {esbuild.Plugin} */
  const inline = {
    name: "inline-worker",
    setup(build) {
      build.onLoad({ filter: /inline-worker\.js$/ }, () => ({ contents: `export const inlineWorker = ${JSON.stringify(worker)};` }));
    },
  };
  await esbuild.build({ ...common, plugins: [...common.plugins ?? [], inline], entryPoints: [at("src/element.js")], outfile });
}

/**
 * The npm package: modules that leave xterm.js to the application's bundler, and the files that a
 * page without one names.
 * @param {string} dir
 */
async function npmPackage(dir) {
  await fs.rm(dir, { recursive: true, force: true });
  await fs.mkdir(dir, { recursive: true });
  /** @type {esbuild.Plugin} */
  const external = {
    name: "external",
    setup(build) {
      build.onResolve({ filter: /^@xterm\/[a-z-]+$/ }, ({ path: name }) => ({ path: name, external: true }));
    },
  };
  await esbuild.build({
    ...common, sourcemap: false, minify: false, legalComments: "none", splitting: true, outdir: dir, chunkNames: "vm",
    plugins: [...common.plugins ?? [], external],
    entryPoints: { index: at("src/index.js"), element: at("src/element.js") },
  });
  for (const file of ["worker.js", "virtarium.js", "virtarium.wasm"]) {
    if (await exists(path.join(out, file))) await fs.copyFile(path.join(out, file), path.join(dir, file));
  }
  for (const file of ["index.d.ts", "element.d.ts", "react.d.ts"]) await fs.copyFile(at("types", file), path.join(dir, file));
  for (const file of [...LICENCES, THIRD_PARTY]) await fs.copyFile(path.join(out, file), path.join(dir, file));
  await fs.copyFile(at("README.md"), path.join(dir, "README.md"));
  await fs.writeFile(path.join(dir, "custom-elements.json"), `${JSON.stringify(await elementManifest(), null, 2)}\n`);
  const { name, version, description, license, type, dependencies } = JSON.parse(await fs.readFile(at("package.json"), "utf8"));
  const manifest = {
    name, version, description, license, type,
    keywords: ["risc-v", "virtual-machine", "emulator", "linux", "custom-element", "webassembly"],
    sideEffects: ["./element.js", "./virtarium.js", "./worker.js"],
    exports: {
      ".": { types: "./index.d.ts", default: "./index.js" },
      // Node.js cannot import xterm.js by its names, so a server that makes pages gets it bundled.
      "./element": { types: "./element.d.ts", browser: "./element.js", node: "./virtarium.js", default: "./element.js" },
      "./react": { types: "./react.d.ts" },
      "./worker": "./worker.js",
      "./core.wasm": "./virtarium.wasm",
      "./package.json": "./package.json",
    },
    unpkg: "./virtarium.js",
    jsdelivr: "./virtarium.js",
    files: ["*.js", "*.d.ts", "*.wasm", "*.txt", "custom-elements.json", "LICENSE-*"],
    customElements: "custom-elements.json",
    dependencies,
  };
  await fs.writeFile(path.join(dir, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** What editors read to know the element: made from the table of its attributes. */
async function elementManifest() {
  const { ATTRIBUTES } = await import("./src/element/attributes.js");
  const types = { text: "string", flag: "boolean", count: "number", choice: "string" };
  const rows = Object.entries(ATTRIBUTES);
  return {
    schemaVersion: "1.0.0",
    modules: [{
      kind: "javascript-module",
      path: "element.js",
      exports: [{ kind: "custom-element-definition", name: "virtarium-vm", declaration: { name: "VirtariumVm", module: "element.js" } }],
      declarations: [{
        kind: "class", customElement: true, name: "VirtariumVm", tagName: "virtarium-vm", superclass: { name: "HTMLElement" },
        description: "A machine with its terminal.",
        attributes: rows.map(([fieldName, { attribute, kind, choices }]) => ({
          name: attribute, fieldName, type: { text: choices ? choices.map((choice) => `"${choice}"`).join(" | ") : types[kind] },
        })),
        events: ["vm-ready", "vm-progress", "vm-state", "vm-output", "vm-exit", "vm-error", "vm-disk"]
          .map((name) => ({ name, type: { text: "CustomEvent" } })),
        slots: [{ name: "poster" }, { name: "" }],
        cssParts: ["display", "toolbar", "terminal", "button", "status", "poster", "start", "progress", "panel", "banner", "menu", "keys", "key", "dialog"]
          .map((name) => ({ name })),
        cssProperties: ["--vm-bg", "--vm-fg", "--vm-font", "--vm-ui-font", "--vm-accent", "--vm-on-accent", "--vm-toolbar-bg", "--vm-toolbar-fg",
          "--vm-border", "--vm-cursor", "--vm-selection"].map((name) => ({ name })),
      }],
    }],
  };
}

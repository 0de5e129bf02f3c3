// Builds what a page loads: `node build.mjs --out DIR [--wasm FILE] [--bindgen FILE]`.
//
//   virtarium.js   the element and the API, with xterm.js in it
//   worker.js      what runs in the machine's worker
//   virtarium.wasm a copy of --wasm
//   index.html, page.js, page.css   the page of `virtarium serve` and `virtarium site`
//   *.LEGAL.txt    the licences of what is bundled
//
// --bindgen FILE   the module of wasm-bindgen's that src/worker imports as "virtarium-wasm"
// --worker FILE    another worker (the tests have one)
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

/** A style sheet becomes a string: a shadow root adopts it. */
const styles = {
  name: "styles",
  /** @param {esbuild.PluginBuild} build */
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async (args) => {
      const text = await fs.readFile(args.path, "utf8");
      const { code } = await esbuild.transform(text, { loader: "css", minify: true, legalComments: "none" });
      return { contents: code, loader: "text" };
    });
  },
};

/** @param {string} file */
const bindgen = (file) => ({
  name: "bindgen",
  /** @param {esbuild.PluginBuild} build */
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
const PAGE = ["index.html", "page.js", "page.css"];
const out = path.resolve(values.out);
if (!(await exists(values.worker))) {
  console.error(`build.mjs: there is no worker at ${values.worker}; --worker FILE names one`);
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
  legalComments: "linked",
  charset: "utf8",
  logLevel: "warning",
  absWorkingDir: here,
  plugins: [styles, ...(values.bindgen ? [bindgen(values.bindgen)] : [])],
};

await esbuild.build({ ...common, entryPoints: [values.worker], outfile: path.join(out, "worker.js") });
await esbuild.build({ ...common, entryPoints: [at("src/element.js")], outfile: path.join(out, "virtarium.js") });
for (const file of PAGE) {
  if (await exists(at("page", file))) await fs.copyFile(at("page", file), path.join(out, file));
}
if (values.wasm) await fs.copyFile(values.wasm, path.join(out, "virtarium.wasm"));

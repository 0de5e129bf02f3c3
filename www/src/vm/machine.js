/** @import { Machine, MachineDisk, MachineFile } from "../protocol.js" */
import { VmError } from "./errors.js";
import { get } from "./fetch.js";
import { parseSize } from "./size.js";

/** A machine file is a page of JSON. */
const FILE_MAX = 1 << 20;
/** Prompts of a guest. */
const READY_MAX = 8;
const MEMORY_MIN = 8 << 20;
/** What a wasm32 module can hold beside itself. */
const MEMORY_MAX = 1792 * (1 << 20);

const FIELDS = ["virtarium", "title", "memory", "cpus", "append", "kernel", "initrd", "disks", "consoles", "agent", "rng", "ready", "sources"];

/**
 * @typedef {object} MachineChanges
 * @property {string|number} [memory]
 * @property {string|number} [cpus]
 * @property {string} [append]   more words for the kernel's command line
 */

/**
 * The machine that a file or an object describes, with every URL absolute.
 * @param {string|URL|object} source
 * @param {{base: string, signal?: AbortSignal, changes?: MachineChanges}} options
 * @returns {Promise<Machine>}
 */
export async function resolveMachine(source, { base, signal, changes = {} }) {
  if (typeof source !== "string" && !(source instanceof URL)) return checkMachine(source, base, changes);
  let url;
  try {
    url = new URL(source, base).href;
  } catch (cause) {
    throw new VmError("bad-machine", `${JSON.stringify(String(source))} is no address of a machine file`, { cause });
  }
  const { bytes, url: final } = await get(url, { limit: FILE_MAX, signal });
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new VmError("bad-machine", `${url}: not JSON: ${/** @type {Error} */ (cause).message}`, { detail: { url }, cause });
  }
  return checkMachine(value, final, changes, url);
}

/**
 * @param {unknown} value
 * @param {string} base
 * @param {MachineChanges} [changes]
 * @param {string} [where] for messages
 * @returns {Machine}
 */
export function checkMachine(value, base, changes = {}, where = "the machine") {
  const bad = (/** @type {string} */ field, /** @type {string} */ what) =>
    new VmError("bad-machine", `${where}: ${field} ${what}`, { detail: { field } });
  const show = (/** @type {unknown} */ v) => {
    try {
      return (JSON.stringify(v) ?? String(v)).slice(0, 60);
    } catch {
      // A BigInt, or an object that holds one or itself.
      return typeof v === "bigint" ? `${v}n` : "no JSON";
    }
  };

  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad("the file", "is not an object");
  const m = /** @type {Record<string, unknown>} */ (value);
  if (m.virtarium !== 1) {
    throw bad('"virtarium"', `is ${show(m.virtarium)} and should be 1: this page knows no other version`);
  }

  /** @param {unknown} v @param {string} field @param {string} fallback */
  const text = (v, field, fallback) => {
    if (v === undefined) return fallback;
    if (typeof v !== "string" || v.length > 4096) throw bad(field, `is ${show(v)} and should be a text`);
    return v;
  };
  /** @param {unknown} v @param {string} field @param {number} low @param {number} high @param {number} fallback */
  const count = (v, field, low, high, fallback) => {
    const n = v === undefined ? fallback : v;
    if (typeof n !== "number" || !Number.isInteger(n) || n < low || n > high) {
      throw bad(field, `is ${show(v)} and should be a number from ${low} to ${high}`);
    }
    return n;
  };
  /** @param {unknown} v @param {string} field @param {number} low @param {number} high */
  const size = (v, field, low, high) => {
    const n = parseSize(v);
    if (n === undefined || n < low || n > high) {
      throw bad(field, `is ${show(v)} and should be a size from ${low >> 20}M to ${Math.floor(high / (1 << 20))}M, as "128M"`);
    }
    return n;
  };
  /** @param {unknown} v @param {string} field @param {boolean} fallback */
  const flag = (v, field, fallback) => {
    const is = v === undefined ? fallback : v;
    if (typeof is !== "boolean") throw bad(field, `is ${show(v)} and should be true or false`);
    return is;
  };
  /** A field that is misspelt would be another machine without a word. @param {object} v @param {string[]} fields @param {string} [of] */
  const only = (v, fields, of = "") => {
    const other = Object.keys(v).find((key) => !fields.includes(key));
    if (other !== undefined) throw bad(`${of}${show(other)}`, `is no field; there are ${fields.join(", ")}`);
  };
  /** @param {unknown} v @param {string} field */
  const address = (v, field) => {
    try {
      if (typeof v !== "string") throw new TypeError("no text");
      const url = new URL(v, base);
      if (!/^(https?|blob|data):$/.test(url.protocol)) throw new TypeError(`${url.protocol} is not fetched from`);
      return url.href;
    } catch {
      throw bad(field, `is ${show(v)} and should be an address (http, https, blob or data)`);
    }
  };
  /** @param {unknown} v @param {string} field @returns {MachineFile} */
  const file = (v, field) => {
    if (v instanceof Uint8Array) return { bytes: v };
    if (typeof v === "string") return { url: address(v, field) };
    if (typeof v !== "object" || v === null || Array.isArray(v)) throw bad(field, `is ${show(v)} and should be an object with "url"`);
    const rest = ["url", "sha256", "size", "encoding"];
    only(v, ["bytes", ...rest], `${field}.`);
    const f = /** @type {Record<string, unknown>} */ (v);
    if (f.bytes !== undefined) {
      if (!(f.bytes instanceof Uint8Array)) throw bad(`${field}.bytes`, `is ${show(f.bytes)} and should be a Uint8Array`);
      const other = rest.find((key) => f[key] !== undefined);
      // Nobody would check or unpack them.
      if (other) throw bad(`${field}.${other}`, 'stands beside "bytes", which are given as they are');
      return { bytes: f.bytes };
    }
    /** @type {MachineFile} */
    const out = { url: address(f.url, `${field}.url`) };
    if (f.sha256 !== undefined) {
      if (typeof f.sha256 !== "string" || !/^[0-9a-f]{64}$/.test(f.sha256)) {
        throw bad(`${field}.sha256`, `is ${show(f.sha256)} and should be 64 hexadecimal digits`);
      }
      out.sha256 = f.sha256;
    }
    if (f.size !== undefined) out.size = count(f.size, `${field}.size`, 0, MEMORY_MAX, 0);
    if (f.encoding !== undefined) {
      if (f.encoding !== "gzip") throw bad(`${field}.encoding`, `is ${show(f.encoding)} and should be "gzip"`);
      out.encoding = "gzip";
    }
    return out;
  };

  only(m, FIELDS);
  if (m.kernel === undefined) throw bad('"kernel"', "is missing");
  const list = m.disks === undefined ? [] : m.disks;
  if (!Array.isArray(list) || list.length > 8) throw bad('"disks"', "should be a list of at most 8");
  /** @type {Set<string>} */
  const names = new Set();
  const disks = list.map((v, i) => {
    const field = `disks[${i}]`;
    if (typeof v !== "object" || v === null || Array.isArray(v)) throw bad(field, `is ${show(v)} and should be an object`);
    only(v, ["name", "manifest", "url", "size", "readonly"], `${field}.`);
    if (v.name === undefined) throw bad(`${field}.name`, "is missing");
    const name = text(v.name, `${field}.name`, "");
    // It becomes the name of a file and of a lock.
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) || names.has(name)) {
      throw bad(`${field}.name`, `is ${show(name)} and should be letters, digits, ".", "_", "-", and no other disk's`);
    }
    names.add(name);
    const kinds = ["manifest", "url", "size"].filter((key) => v[key] !== undefined);
    if (kinds.length !== 1) throw bad(field, 'should have one of "manifest", "url" and "size"');
    /** @type {MachineDisk} */
    const disk = { name };
    if (v.manifest !== undefined) disk.manifest = address(v.manifest, `${field}.manifest`);
    else if (v.url !== undefined) disk.url = address(v.url, `${field}.url`);
    else disk.size = size(v.size, `${field}.size`, 1 << 20, 2 ** 40);
    if (flag(v.readonly, `${field}.readonly`, false)) disk.readonly = true;
    return disk;
  });

  const consoles = count(m.consoles, '"consoles"', 1, 8, 1);
  const prompts = m.ready === undefined || m.ready === "" ? [] : Array.isArray(m.ready) ? m.ready : [m.ready];
  if (prompts.length > READY_MAX) throw bad('"ready"', `should be at most ${READY_MAX} texts`);
  const ready = prompts.map((v, i) => {
    const field = Array.isArray(m.ready) ? `"ready"[${i}]` : '"ready"';
    const prompt = text(v, field, "");
    if (prompt === "") throw bad(field, `is ${show(v)} and should be a text`);
    return prompt;
  });
  const more = text(changes.append ?? "", "append", "").trim();
  const append = text(m.append, '"append"', "console=hvc0");
  /** @type {Machine} */
  const machine = {
    virtarium: 1,
    title: text(m.title, '"title"', "Linux").slice(0, 100),
    memory: size(m.memory === undefined ? "128M" : m.memory, '"memory"', MEMORY_MIN, MEMORY_MAX),
    cpus: count(m.cpus, '"cpus"', 1, 8, 1),
    append: more ? `${append} ${more}` : append,
    kernel: file(m.kernel, '"kernel"'),
    disks,
    consoles,
    rng: flag(m.rng, '"rng"', true),
  };
  // Attributes are texts; one that is empty is none.
  const { memory, cpus } = changes;
  if (memory != null && memory !== "") machine.memory = size(memory, "memory", MEMORY_MIN, MEMORY_MAX);
  if (cpus != null && cpus !== "") machine.cpus = count(typeof cpus === "string" && /^\d+$/.test(cpus) ? Number(cpus) : cpus, "cpus", 1, 8, 1);
  if (m.initrd !== undefined) machine.initrd = file(m.initrd, '"initrd"');
  if (m.agent !== undefined) machine.agent = count(m.agent, '"agent"', 0, consoles - 1, 0);
  if (ready.length > 0) machine.ready = ready;
  if (m.sources !== undefined) machine.sources = address(m.sources, '"sources"');
  return machine;
}

// A worker that speaks the protocol and has no machine: a guest of a few commands, so that the
// page's side can be tested in a browser by itself. Words of the kernel's command line steer it:
//   mock.fail=CODE         `create` fails with that code
//   mock.fail=locked       unless the disks are to be stolen
//   mock.slow=MS           each step of loading takes so long; default 5
//   mock.hold=PHASE        loading stops in that phase and goes no further
//   mock.end=MS            the end of the machine takes so long
//   mock.unkept=CODE       a pause cannot keep what was written
//   mock.rebuild=MS        a machine that was off takes so long to be there again
//   mock.kind=KIND         where disks are kept
//   mock.boot=MS           the time between lines of the boot; default 5
// In its terminal: `crash`, `throw`, `hang`, `disk CODE`, `title TEXT`, `flood N`, `reboot`, `poweroff`.

/** @import { AnswerMessage, CallMessage, CreateOptions, DiskInfo } from "../src/protocol.js" */
import { OUTPUT_WINDOW, PROTOCOL, toWire } from "../src/protocol.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const PROMPT = "\x1b[1;32mroot@mock\x1b[0m:\x1b[1;34m~\x1b[0m# ";
const BOOT = [
  "[    0.000000] Linux version 6.12.0-mock (a page's test)",
  "[    0.000000] Machine model: virtarium,mock",
  "[    0.104000] virtio_blk virtio2: [vda] 4194304 512-byte logical blocks (2.15 GB/2.00 GiB)",
  "[    0.210000] Run /init as init process",
  "\x1b[32mWelcome.\x1b[0m The time is \x1b[33mnow\x1b[0m.",
];

/** @type {CreateOptions} */
let options;
/** @type {DiskInfo[]} */
let disks = [];
/** @type {Map<string, Uint8Array>} */
const files = new Map([["/etc/motd", encoder.encode("hello from the mock\n")]]);
/** @type {Map<string, Blob>} */
const overlays = new Map();
let state = "created";
let line = "";
let agentLine = "";
let boots = 0;
/** Whether the guest has run since the machine was reset. */
let begun = true;
let suspended = false;
let outstanding = 0;
/** @type {(() => void)[]} */
let waiting = [];

const word = (/** @type {string} */ name, fallback = "") =>
  new RegExp(`mock\\.${name}=(\\S+)`).exec(options.machine.append)?.[1] ?? fallback;
const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
const say = (/** @type {object} */ message) => postMessage(message);
const fail = (/** @type {string} */ code, message = `the mock fails with ${code}`, detail = {}) =>
  Object.assign(new Error(message), { code, detail });

/** @param {string} next @param {number} [code] */
function setState(next, code) {
  state = next;
  say({ event: "state", state, code });
}

/** @param {number} console @param {string|Uint8Array} data */
async function print(console, data) {
  const bytes = typeof data === "string" ? encoder.encode(data) : data.slice();
  while (outstanding > OUTPUT_WINDOW) await new Promise((/** @type {(value?: any) => void} */ go) => waiting.push(go));
  outstanding += bytes.length;
  postMessage({ event: "output", console, bytes }, { transfer: [bytes.buffer] });
}

/** The machine is built again, unless it is stopped meanwhile. */
async function rebuild() {
  const mine = ++boots;
  setState("loading");
  for (let left = Number(word("rebuild")); left > 0; left -= 10) {
    await sleep(10);
    if (mine !== boots) throw fail("aborted");
  }
  void boot();
}

/** The machine begins again. */
function restart() {
  say({ event: "reset" });
  void boot();
}

async function boot() {
  const mine = ++boots;
  begun = true;
  line = agentLine = "";
  if (state !== "running") setState("running");
  for (const text of BOOT) {
    await sleep(Number(word("boot", "5")));
    if (mine !== boots) return;
    await print(0, `${text}\r\n`);
  }
  await print(0, PROMPT);
}

/** @param {string} text */
async function command(text) {
  const [name, ...args] = text.trim().split(/\s+/);
  const rest = args.join(" ");
  switch (name) {
    case "": break;
    case "uname": await print(0, "Linux mock 6.12.0 riscv64\r\n"); break;
    case "echo": await print(0, `${rest}\r\n`); break;
    case "ls": await print(0, "\x1b[1;34mbin\x1b[0m  \x1b[1;34metc\x1b[0m  \x1b[1;36mlink\x1b[0m  notes.txt  \x1b[1;32mrun.sh\x1b[0m\r\n"); break;
    case "title": await print(0, `\x1b]2;${rest}\x07`); break;
    case "raw": await print(0, rest.replaceAll("\\e", "\x1b").replaceAll("\\a", "\x07")); break;
    case "flood":
      for (let i = 0; i < Number(rest); i++) await print(0, `line ${i} of a flood that goes on and on\r\n`);
      break;
    case "crash": say({ event: "crash", message: "panicked at core/machine/src/bus.rs:12: the mock was told to", stack: "at machine (virtarium.wasm:1)" }); return;
    case "throw": setTimeout(() => { throw new Error("the mock throws"); }); return;
    case "hang": for (;;) ;
    case "disk": say({ event: "disk", ...disks[0], code: rest, error: `the mock says ${rest}` });
      if (rest === "locked") return setState("off");
      break;
    case "recovered": say({ event: "disk", ...disks[0], code: rest, error: "", recovered: true }); break;
    case "reboot": return restart();
    case "poweroff": boots++; setState("off", 0); return;
    default: await print(0, `-sh: ${name}: not found\r\n`);
  }
  await print(0, PROMPT);
}

/** @param {Uint8Array} bytes */
async function terminal(bytes) {
  for (const char of decoder.decode(bytes)) {
    if (char === "\r" || char === "\n") {
      const text = line;
      line = "";
      await print(0, "\r\n");
      await command(text);
    } else if (char === "\x7f") {
      if (line) {
        line = line.slice(0, -1);
        await print(0, "\b \b");
      }
    } else if (char < " ") {
      await print(0, `^${String.fromCharCode(char.charCodeAt(0) + 64)}`);
    } else {
      line += char;
      await print(0, char);
    }
  }
}

const unquote = (/** @type {string} */ text) => text.trim().replace(/^'|'$/g, "").replaceAll("'\\''", "'");

/** @param {string} text @returns {{code: number, output: string|Uint8Array}|undefined} nothing: it never answers */
function shell(text) {
  /** @type {RegExpExecArray|null} */
  let m;
  if (text === ":") return { code: 0, output: "" };
  if ((m = /^if \[ -d .* \]; then echo 'it is a directory'; false; else (.*); fi$/.exec(text))) return shell(m[1]);
  if ((m = /^: >(.*)$/.exec(text))) return files.set(unquote(m[1]), new Uint8Array()), { code: 0, output: "" };
  if ((m = /^base64 -d >>(.*) <<\\END\n([^]*)END$/.exec(text))) {
    const name = unquote(m[1]);
    const more = Uint8Array.from(atob(m[2].replaceAll("\n", "")), (c) => c.charCodeAt(0));
    const old = files.get(name) ?? new Uint8Array();
    const both = new Uint8Array(old.length + more.length);
    both.set(old);
    both.set(more, old.length);
    files.set(name, both);
    return { code: 0, output: "" };
  }
  if ((m = /wc -c <('.*?'(?:\\''.*?')*)/.exec(text))) {
    const file = files.get(unquote(m[1]));
    return file ? { code: 0, output: `${file.length}\n` } : { code: 1, output: `sh: can't open ${m[1]}: no such file\n` };
  }
  if ((m = /^mv -f (.*?) (\S+)$/.exec(text))) {
    files.set(unquote(m[2]), files.get(unquote(m[1])) ?? new Uint8Array());
    files.delete(unquote(m[1]));
    return { code: 0, output: "" };
  }
  if ((m = /^rm -f (.*)$/.exec(text))) return files.delete(unquote(m[1])), { code: 0, output: "" };
  if ((m = /^base64 <(.*) 2>\/dev\/null$/.exec(text))) {
    const file = files.get(unquote(m[1])) ?? new Uint8Array();
    return { code: 0, output: btoa(Array.from(file, (byte) => String.fromCharCode(byte)).join("")) };
  }
  if ((m = /^exit (\d+)$/.exec(text))) return { code: Number(m[1]), output: "" };
  if (/^echo /.test(text)) return { code: 0, output: `${text.slice(5)}\n` };
  if (text === "reboot") return restart(), undefined;
  if (text === "poweroff") {
    setTimeout(() => { boots++; setState("off", 0); }, 50);
    return { code: 0, output: "" };
  }
  return { code: 127, output: `sh: ${text}: not found\n` };
}

/** @param {Uint8Array} bytes */
async function agent(bytes) {
  agentLine += decoder.decode(bytes);
  for (;;) {
    const m = /printf '\\036([0-9a-f]{16})\\036'; \(eval ('[^]*?')\) <\/dev\/null 2>&1; printf '\\036\1 %d\\036' "\$\?"\n/.exec(agentLine);
    if (!m) return;
    agentLine = agentLine.slice(m.index + m[0].length);
    const answer = shell(unquote(m[2]));
    if (!answer) return;
    const { code, output } = answer;
    await print(1, `\x1e${m[1]}\x1e`);
    await print(1, output);
    await print(1, `\x1e${m[1]} ${code}\x1e`);
  }
}

/** @type {Record<string, (...args: any[]) => unknown>} */
const calls = {
  async create(/** @type {CreateOptions} */ given) {
    options = given;
    if (given.protocol !== PROTOCOL) throw fail("unsupported", "another protocol");
    setState("loading");
    const why = word("fail");
    const kernel = options.machine.kernel.url ?? "kernel";
    const steps = /** @type {const} */ ([["wasm", "virtarium.wasm", 231000], ["kernel", kernel, 12_400_000], ["initrd", "initrd", 4_100_000]]);
    for (const [phase, what, total] of steps) {
      for (let part = 0; part <= 4; part++) {
        say({ event: "progress", phase, what, loaded: Math.round((total * part) / 4), total });
        await sleep(Number(word("slow", "5")));
        if (word("hold") === phase && part === 2) await new Promise(() => {});
      }
    }
    if (why && !(why === "locked" && options.steal)) {
      throw fail(why, undefined, { url: kernel, status: why === "not-found" ? 404 : undefined, disk: "root" });
    }
    disks = options.machine.disks.map(({ name, size, readonly }) => ({
      name, size: size ?? 2147483648, readonly, persisted: false,
      kind: /** @type {DiskInfo["kind"]} */ (word("kind", options.persist ? "opfs" : "memory")),
    }));
    for (const disk of disks) say({ event: "disk", ...disk });
    setState("created");
    return { disks, consoles: options.machine.consoles };
  },
  start() {
    if (state === "paused" && !begun) void boot();
    else if (state === "paused") setState("running");
    else if (state === "off" && word("rebuild")) return rebuild();
    else if (state !== "running") void boot();
  },
  pause() {
    if (state === "running") setState("paused");
    if (word("unkept")) throw fail(word("unkept"));
  },
  reset() {
    if (state === "off") void boot();
    else if (state === "running") restart();
    else {
      begun = false;
      say({ event: "reset" });
    }
  },
  stop() { boots++; setState("off"); },
  suspend() { suspended = true; },
  resume() {
    if (word("resume") === "locked") throw fail("locked");
    suspended = false;
  },
  async dispose() {
    await sleep(Number(word("end", "0")));
    setTimeout(close);
  },
  write(/** @type {number} */ console, /** @type {Uint8Array} */ bytes) {
    if (state === "running") void (console === 0 ? terminal(bytes) : agent(bytes));
  },
  resize(/** @type {number} */ _console, /** @type {number} */ cols, /** @type {number} */ rows) { files.set("/size", encoder.encode(`${cols} ${rows}`)); },
  ack(/** @type {number} */ _console, /** @type {number} */ bytes) {
    outstanding -= bytes;
    for (const go of waiting.splice(0)) go();
  },
  stats: () => ({ instructions: 1234567, guestTime: 1.5, busy: 0, memory: 1 << 27, longestSlice: 4, disks: [] }),
  digest: () => "00".repeat(32),
  runTo: (/** @type {number} */ count) => count,
  exportDisk: (/** @type {string} */ name) => overlays.get(name) ?? new Blob([`overlay of ${name}`]),
  importDisk(/** @type {string} */ name, /** @type {Blob} */ blob) {
    if (state !== "off" && state !== "created") throw fail("unsupported", "the machine runs");
    overlays.set(name, blob);
  },
  resetDisk(/** @type {string} */ name) {
    if (state !== "off" && state !== "created") throw fail("unsupported", "the machine runs");
    overlays.delete(name);
  },
  sync() {},
  ping: () => suspended,
};

onmessage = async (/** @type {MessageEvent<CallMessage>} */ { data }) => {
  /** @type {AnswerMessage} */
  const answer = { id: data.id };
  try {
    answer.value = await calls[data.call](...data.args);
  } catch (error) {
    answer.error = toWire(error);
  }
  if (data.id !== 0) postMessage(answer);
};

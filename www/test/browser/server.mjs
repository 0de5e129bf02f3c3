// A plain static server on loopback, and everything that can be wrong with one.

import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const TYPES = /** @type {Record<string, string>} */ ({
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
  ".md": "text/plain; charset=utf-8",
});

/** Where else a folder's files are: what a test puts there, over what lies on the disk. */
/** @typedef {Map<string, string | Uint8Array>} Files */

/** What is wrong with the server, from one request to the next. */
export class Faults {
  /** Nobody answers: connections are closed. */
  down = false;
  /** Files that are not there. @type {RegExp | undefined} */
  missing;
  /** Files with one bit of the middle turned. @type {RegExp | undefined} */
  corrupt;
  /** Files that come late. @type {RegExp | undefined} */
  slow;
  /** How late, in milliseconds. */
  delay = 0;
  /** Parts (Range) can be had. */
  ranges = true;
  /** Pages of other origins may read. */
  cors = true;
  /** The policy that is sent with each file. @type {string | undefined} */
  policy;
}

/**
 * The policy that the README prints: the strictest under which a machine runs.
 * @param {string} origin Of the page's scripts.
 * @param {string} images Where images come from.
 */
export function policy(origin, images) {
  return [
    "default-src 'none'",
    `script-src ${origin} 'wasm-unsafe-eval'`,
    `connect-src ${origin} ${images}`,
    `style-src ${origin} 'unsafe-inline'`,
    `worker-src ${origin} blob:`,
  ].join("; ");
}

/** Serves folders and files until `close`. */
export class Site {
  faults = new Faults();
  /** @type {{method: string, path: string, range?: string, status: number}[]} */
  log = [];

  /**
   * @param {object} options
   * @param {Record<string, string>} [options.folders] By the path they are served at: `/` or
   *   `/course/linux/`.
   * @param {Files} [options.files] By path; they come before folders.
   */
  constructor({ folders = {}, files = new Map() } = {}) {
    this.folders = folders;
    this.files = files;
    this.http = createServer((request, response) => {
      const entry = { method: request.method ?? "", path: request.url ?? "", status: 0 };
      const { range } = request.headers;
      this.log.push(range === undefined ? entry : { ...entry, range });
      const at = this.log.length - 1;
      response.on("close", () => (this.log[at].status = response.statusCode));
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  /** @returns {Promise<this>} */
  async listen() {
    await new Promise((resolve) => this.http.listen(0, "127.0.0.1", () => resolve(undefined)));
    return this;
  }

  get origin() {
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.http.address());
    return `http://127.0.0.1:${port}`;
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }

  /** Paths that were asked for. @param {RegExp} pattern */
  asked(pattern) {
    return this.log.filter((entry) => pattern.test(entry.path));
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   */
  async #answer(request, response) {
    const { faults } = this;
    if (faults.down) return void request.socket.destroy();
    const url = decodeURIComponent(new URL(request.url ?? "/", "http://site").pathname);
    if (faults.slow?.test(url)) await new Promise((resolve) => setTimeout(resolve, faults.delay));
    if (faults.policy !== undefined) response.setHeader("content-security-policy", faults.policy);
    if (faults.cors) {
      response.setHeader("access-control-allow-origin", "*");
      response.setHeader("access-control-expose-headers", "content-range, etag");
      response.setHeader("access-control-allow-headers", "range, if-range");
    }
    if (request.method === "OPTIONS") return void response.writeHead(204).end();
    const found = faults.missing?.test(url) ? undefined : this.#find(url);
    if (!found) return void response.writeHead(404).end("not found");
    response.setHeader("content-type", TYPES[path.extname(found.name)] ?? "application/octet-stream");
    response.setHeader("etag", found.etag);
    this.#send(found, url, request, response);
  }

  /**
   * @param {Found} found
   * @param {string} url
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   */
  #send(found, url, request, response) {
    const { range, "if-range": condition, "if-none-match": known } = request.headers;
    if (known === found.etag) return void response.writeHead(304).end();
    const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
    let [start, end] = [0, found.size - 1];
    if (this.faults.ranges) response.setHeader("accept-ranges", "bytes");
    if (asked && this.faults.ranges && (condition === undefined || condition === found.etag)) {
      start = Number(asked[1]);
      end = asked[2] === "" ? end : Math.min(Number(asked[2]), end);
      if (start > end) {
        return void response.writeHead(416, { "content-range": `bytes */${found.size}` }).end();
      }
      response.statusCode = 206;
      response.setHeader("content-range", `bytes ${start}-${end}/${found.size}`);
    }
    response.setHeader("content-length", end - start + 1);
    if (request.method === "HEAD" || found.size === 0) return void response.end();
    const turn = this.faults.corrupt?.test(url) ? found.size >> 1 : -1;
    if (found.bytes) {
      return void response.end(turned(Uint8Array.from(found.bytes.subarray(start, end + 1)), turn - start));
    }
    let at = start;
    const file = createReadStream(found.name, { start, end });
    file.on("data", (/** @type {any} */ piece) => {
      if (!response.write(turned(piece, turn - at))) file.pause();
      at += piece.length;
    });
    response.on("drain", () => file.resume());
    response.on("close", () => file.destroy());
    file.on("end", () => response.end());
    file.on("error", () => response.destroy());
  }

  /**
   * @typedef {{name: string, size: number, etag: string, bytes?: Uint8Array}} Found
   * @param {string} url
   * @returns {Found | undefined}
   */
  #find(url) {
    const name = url.endsWith("/") ? `${url}index.html` : url;
    const file = this.files.get(name);
    if (file !== undefined) {
      const bytes = typeof file === "string" ? new TextEncoder().encode(file) : file;
      const etag = `"${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}"`;
      return { name, size: bytes.length, etag, bytes };
    }
    const at = Object.keys(this.folders)
      .filter((prefix) => name.startsWith(prefix))
      .sort((a, b) => b.length - a.length)[0];
    if (at === undefined || name.split("/").includes("..")) return undefined;
    const on = path.join(this.folders[at], name.slice(at.length));
    const stat = statSync(on, { throwIfNoEntry: false });
    if (!stat?.isFile()) return undefined;
    return { name: on, size: stat.size, etag: `"${stat.size}-${stat.mtimeMs}"` };
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {number} at
 */
function turned(bytes, at) {
  if (at >= 0 && at < bytes.length) bytes[at] ^= 1;
  return bytes;
}

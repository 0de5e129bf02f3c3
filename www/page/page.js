// The page of `virtarium serve` and `virtarium site`: which machines there are, the one that
// `?machine=NAME` names, and the lines that embed it elsewhere.

import "./virtarium.js";

const INDEX = new URL("./machines/index.json", import.meta.url);

/** @typedef {{name: string, title: string, url: string, disks?: boolean}} Entry */

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const vm = /** @type {HTMLElement & {src: string, persist: string, vm?: {disks: {readonly: boolean}[]}}} */ (byId("vm"));

/** @returns {Promise<Entry[]>} */
async function machines() {
  const response = await fetch(INDEX);
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  const list = await response.json();
  const fits = (/** @type {any} */ entry) => ["name", "title", "url"].every((key) => typeof entry?.[key] === "string");
  if (!Array.isArray(list) || !list.every(fits)) throw new Error("it is no list of machines");
  return list;
}

/** @param {Entry[]} list @param {Entry} chosen */
function showChooser(list, chosen) {
  if (list.length < 2) return;
  byId("machines").replaceChildren(...list.map((entry) => {
    const link = document.createElement("a");
    const url = new URL(location.href);
    url.search = "";
    url.hash = "";
    url.searchParams.set("machine", entry.name);
    link.href = url.href;
    link.textContent = entry.title;
    if (entry === chosen) link.setAttribute("aria-current", "page");
    return link;
  }));
}

/**
 * The name that a machine's disks are kept by. Sites of one origin, such as /~alice/ and /~bob/, have
 * machines of the same name with other disks: this site's address is in it, by its hash (FNV-1a).
 * @param {string} name
 */
function shelf(name) {
  const site = new URL("./", import.meta.url).href;
  const hash = new TextEncoder().encode(site).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5);
  return `${name}-${(hash >>> 0).toString(16).padStart(8, "0")}`;
}

/**
 * Says where files are: before the machine is there by what the list knows of it.
 * @param {boolean|undefined} disks
 */
function showStorage(disks) {
  byId("files").hidden = disks === undefined;
  byId("storage").hidden = !disks;
  byId("memory-only").hidden = disks !== false;
}

/**
 * @param {string} machine the machine file's address
 * @param {string} persist the name that its disks are kept by; empty where it has none
 */
function showEmbed(machine, persist) {
  const quote = (/** @type {string} */ text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  const script = new URL("./virtarium.js", import.meta.url).href;
  const kept = persist && ` persist="${quote(persist)}"`;
  const text = `<script type="module" src="${quote(script)}"></script>\n<virtarium-vm src="${quote(machine)}"${kept}></virtarium-vm>`;
  byId("embed").textContent = text;
  byId("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      byId("copied").textContent = "Copied.";
    } catch {
      getSelection()?.selectAllChildren(byId("embed"));
      byId("copied").textContent = "Selected: press Ctrl+C.";
    }
  });
}

/** @param {string} words */
function trouble(words) {
  byId("trouble").textContent = words;
  byId("trouble").hidden = false;
}

try {
  const list = await machines();
  const wanted = new URLSearchParams(location.search).get("machine");
  const chosen = list.find((entry) => entry.name === wanted) ?? list[0];
  if (!chosen) throw new Error("it is empty");
  if (wanted !== null && chosen.name !== wanted) trouble(`There is no machine “${wanted}” here; this is ${chosen.title}.`);
  const url = new URL(chosen.url, INDEX).href;
  vm.setAttribute("label", chosen.title);
  vm.persist = shelf(chosen.name);
  vm.src = url;
  showChooser(list, chosen);
  showEmbed(url, chosen.disks === false ? "" : vm.persist);
  showStorage(chosen.disks);
} catch (error) {
  trouble(`The list of machines, ${INDEX.href}, cannot be used: ${/** @type {Error} */ (error).message}.`);
}

vm.addEventListener("vm-state", () => {
  const disks = vm.vm?.disks;
  if (disks) showStorage(disks.some((disk) => !disk.readonly));
});

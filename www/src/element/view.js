import xtermStyle from "@xterm/xterm/css/xterm.css";
import ownStyle from "./style.css";
import rowsStyle from "./rows.css";
import { h, icon, iconButton } from "./dom.js";

/** @type {WeakMap<Document, CSSStyleSheet[]>} */
const sheets = new WeakMap();

/**
 * Adopted sheets: one copy for all elements of a document, and no style element that a policy could
 * refuse. A document takes no other document's.
 * @param {ShadowRoot} shadow
 * @param {boolean} [rows]  the element is as high as its rows
 */
export function adoptStyles(shadow, rows = false) {
  const { ownerDocument } = shadow;
  const { defaultView } = ownerDocument;
  // A document that is not shown, as a template's.
  if (!defaultView) return;
  let own = sheets.get(ownerDocument);
  if (!own) {
    const { CSSStyleSheet } = defaultView;
    own = [xtermStyle, ownStyle, rowsStyle].map((text) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
      return sheet;
    });
    sheets.set(ownerDocument, own);
  }
  const next = rows ? own : own.slice(0, 2);
  if (shadow.adoptedStyleSheets.at(-1) !== next.at(-1)) shadow.adoptedStyleSheets = next;
}

/**
 * What the buttons of the toolbar do.
 * @typedef {"run"|"reset"|"power"|"search"|"fullscreen"|"menu"|"start"} ToolName
 */

/**
 * The shadow tree.
 * @param {ShadowRoot} shadow
 * @param {(tool: ToolName) => void} press
 */
export function buildView(shadow, press) {
  adoptStyles(shadow);
  const tools = {
    run: iconButton("play", "Start", () => press("run")),
    reset: iconButton("reset", "Restart", () => press("reset"), { class: "tool wide" }),
    power: iconButton("power", "Power off", () => press("power"), { class: "tool wide" }),
    search: iconButton("search", "Search", () => press("search"), { class: "tool wide" }),
    fullscreen: iconButton("expand", "Full screen", () => press("fullscreen")),
    menu: iconButton("menu", "Menu", () => press("menu"), { "aria-expanded": "false" }),
  };
  const title = h("span", { class: "title" });
  const toolbar = h("div", { class: "toolbar", part: "toolbar", role: "group", "aria-label": "Machine" },
    h("span", { class: "light", "aria-hidden": "true" }), title, ...Object.values(tools));

  const terminal = h("div", { class: "terminal", part: "terminal" });
  const bootBar = h("div", { class: "boot-bar", hidden: true, "aria-hidden": "true" });

  const wait = h("div", { class: "wait", hidden: true, "aria-hidden": "true" });

  const start = h("button", { type: "button", class: "start", part: "button start", onclick: () => press("start") }, icon("play"), h("span", {}, "Start"));
  const inviteTitle = h("h2", {});
  const inviteText = h("p", {});
  const posterSlot = h("slot", { name: "poster" });
  const invite = h("div", { class: "invite" }, inviteTitle, start, inviteText);
  const poster = h("div", { class: "cover poster", part: "poster" }, h("div", { class: "picture" }, posterSlot), invite);
  posterSlot.addEventListener("slotchange", () => {
    invite.classList.toggle("on-picture", posterSlot.assignedNodes().length > 0);
  });

  const loads = h("ul", { class: "loads" });
  const loading = h("div", { class: "cover", part: "progress", hidden: true }, h("div", { class: "card" },
    h("h2", {}, "Getting the machine"), loads, h("div", { class: "row" })));

  const panel = h("div", { class: "cover", part: "panel", hidden: true });
  const banner = h("div", { class: "banner", part: "banner", hidden: true });
  const search = h("div", { class: "search", role: "search", hidden: true });
  const menu = h("div", { class: "menu", part: "menu", role: "group", "aria-label": "Menu", hidden: true });
  // Where a link of the guest's leads, while the pointer is on it.
  const where = h("div", { class: "where" });
  const drop = h("div", { class: "drop", hidden: true }, "Drop files to put them into the machine");
  const screen = h("div", { class: "screen" }, terminal, bootBar, wait, banner, poster, loading, panel, search, menu, where, drop);

  const keys = h("div", { class: "keys", part: "keys", role: "group", "aria-label": "Keys", hidden: true });
  const say = h("span", { class: "say" });
  const diskLight = h("span", { class: "disk-light", "aria-hidden": "true" });
  const kept = h("span", { class: "kept", hidden: true });
  const size = h("span", { class: "size" });
  const status = h("div", { class: "status", part: "status" }, say, kept, size);
  // What is said aloud is less than what the status line shows.
  const live = h("div", { class: "unseen", role: "status", "aria-live": "polite" });
  const dialog = h("dialog", { part: "dialog" });
  // What the author put there for browsers without all this; shown again where it is needed.
  const fallback = h("slot", {});
  const home = h("div", { hidden: true }, fallback);

  // Its words are English, whatever direction the page's have; style.css gives the author's theirs.
  const root = h("div", { class: "root", part: "display", dir: "ltr", lang: "en" }, toolbar, screen, keys, status, live, dialog);
  shadow.append(h("div", { class: "holder" }, root), home);
  return {
    root, toolbar, title, tools, screen, terminal, bootBar, wait, poster, invite, inviteTitle, inviteText, start,
    loading, loads, panel, banner, search, menu, where, drop, keys, status, say, kept, diskLight, size, live, dialog, fallback, home,
  };
}

/** @typedef {ReturnType<typeof buildView>} View */

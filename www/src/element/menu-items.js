/** @import { Section } from "./menu.js" */
import { formatSize } from "../vm/size.js";
import { STORAGE } from "./failures.js";
import { quietly } from "./session.js";
import { webAddress } from "./text.js";

/**
 * What the menu holds now.
 * @param {HTMLElement} host
 * @param {{session: import("./session.js").Session, terminal: import("./terminal.js").TerminalView|undefined,
 *   files: import("./files.js").Files, actions: import("./actions.js").Actions}} parts
 * @returns {Section[]}
 */
export function menuSections(host, { session, terminal, files, actions }) {
  const { phase, vm } = session;
  const own = /** @type {HTMLElement & Record<string, any>} */ (host);
  const on = phase === "running" || phase === "booting" || phase === "paused";
  // Whoever gives a machine on owes its user the way to the sources of the guest.
  const sources = webAddress(vm?.machine.sources ?? "");
  const file = vm?.hasAgent ? undefined : "not in this machine";

  /** @type {Section[]} */
  const sections = [
    { heading: "Machine", items: [
      phase === "running" || phase === "booting" ? { label: "Pause", press: () => quietly(session.pause()) }
        : { label: phase === "paused" ? "Continue" : "Start", press: () => actions.start(), disabled: phase === "loading" },
      { label: "Restart…", press: () => actions.reset(), disabled: !on },
      { label: "Power off", press: () => quietly(actions.powerOff()), disabled: !on },
      ...(sources ? [{ label: "Sources and licences", press: () => window.open(sources, "_blank", "noopener,noreferrer") }] : []),
    ] },
    { heading: "Files", items: [
      { label: "Put files into the machine…", press: () => files.chooseAndUpload(), disabled: !files.possible, mark: file },
      { label: "Get a file from it…", press: () => files.askAndDownload(), disabled: !files.possible, mark: file },
    ] },
    { heading: "Terminal", items: [
      { label: "Copy", press: () => actions.copy(), keys: "Ctrl+Shift+C", disabled: !terminal },
      { label: "Paste", press: () => actions.paste(), keys: "Ctrl+Shift+V", disabled: !terminal || own.readonly },
      { label: "Search…", press: () => actions.search(), disabled: !terminal },
      { label: "Larger letters", press: () => terminal?.setFontSize(terminal.fontSize + 2), disabled: !terminal },
      { label: "Smaller letters", press: () => terminal?.setFontSize(terminal.fontSize - 2), disabled: !terminal },
      { label: "Extra keys", pressed: own.keybar === "on", press: () => { own.keybar = own.keybar === "on" ? "auto" : "on"; } },
      ...(/^Mac/.test(navigator.platform) && terminal ? [{ label: "Option is Meta", pressed: terminal.optionIsMeta, press: () => { terminal.optionIsMeta = !terminal.optionIsMeta; } }] : []),
      { label: "For a screen reader", pressed: own.screenreader, press: () => { own.screenreader = !own.screenreader; } },
    ], note: "Escape, then Tab leaves the terminal." },
    { heading: "Colours", items: /** @type {const} */ (["auto", "dark", "light"]).map((theme) => ({
      label: { auto: "As the system", dark: "Dark", light: "Light" }[theme], pressed: own.theme === theme, press: () => { own.theme = theme; },
    })) },
  ];
  for (const disk of vm?.disks ?? []) {
    const kept = STORAGE[disk.kind];
    const promised = disk.kind === "memory" ? "" : disk.persisted ? " The browser has promised to keep them." : " The browser may throw them away when space is short.";
    sections.push({
      heading: `Disk “${disk.name}”${disk.size ? `, ${formatSize(disk.size)}` : ""}`,
      note: disk.readonly ? "Cannot be written to." : `${kept.long}${promised}`,
      items: disk.readonly ? [] : [
        { label: "Export what was written…", press: () => actions.exportDisk(disk.name) },
        { label: "Import…", press: () => actions.importDisk(disk.name) },
        { label: "Reset the disk…", press: () => actions.resetDisk(disk.name) },
        ...(disk.kind === "memory" || disk.persisted ? [] : [{ label: "Ask the browser to keep it", press: () => actions.keep() }]),
      ],
    });
  }
  return sections;
}

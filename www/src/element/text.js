// Text of a guest's before people see it outside of the terminal.

/** Controls, and characters that turn the direction of what follows or cannot be seen. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\|$)|[PX^_][^\x1b]*(?:\x1b\\|$)|[ -/]*[0-~])/g;

/**
 * One line that is safe to show: no escapes, no controls, no tricks of direction, and short.
 * @param {string} text
 * @param {number} [limit]
 */
export function plain(text, limit = 80) {
  const line = text.slice(0, 4096).replace(ESCAPES, "").replace(UNSEEN, " ").replace(/\s+/g, " ").trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}

/** Controls that no text has: all but tabulator, new line and return. */
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/**
 * A clipboard's text as a terminal may have it. In a bracketed paste ESC [ 201 ~ would be the end,
 * and what follows typed.
 * @param {string} text
 */
export function pasteable(text) {
  return text.replace(CONTROLS, "");
}

/**
 * The last line of output that says something.
 * @param {string} output
 */
export function lastLine(output) {
  const lines = output.slice(-4096).replace(ESCAPES, "").split(/[\r\n]+/);
  for (let i = lines.length - 1; i >= 0; i--) {
    const line = plain(lines[i], 60);
    if (line) return line;
  }
  return "";
}

/**
 * The address, if it is one that a guest may have opened.
 * @param {string} text
 * @returns {string|undefined}
 */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : undefined;
  } catch {
    return undefined;
  }
}

import { h } from "./dom.js";

// The sixteen colours of a terminal, for a dark and a light ground. Each is 4.5 to 1 or more
// against its ground but for black on dark and white on light; xterm.js lifts those.

const DARK = [
  "#22302a", "#f28b80", "#7fd6a0", "#e6c677", "#86b9f2", "#d6a3ec", "#72d0d0", "#d7e0db",
  "#84958d", "#ffa99f", "#a4ecbf", "#f5da96", "#aed1ff", "#e7bff8", "#9ae8e8", "#ffffff",
];
const LIGHT = [
  "#1c2521", "#b3261e", "#1f6f43", "#7a5a00", "#1d5fae", "#8a3aa5", "#0b6b70", "#55615b",
  "#5f6c65", "#c0392f", "#26804f", "#8a6700", "#2a6fc0", "#9a49b5", "#147a80", "#1c2521",
];
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** What the system's own colours are for, where it says which colours there are (CSS Color 4, 6.2). */
const FORCED = { background: "Canvas", foreground: "CanvasText", cursor: "CanvasText", cursorAccent: "Canvas", selectionBackground: "Highlight",
  selectionForeground: "HighlightText", scrollbarSliderBackground: "GrayText", scrollbarSliderHoverBackground: "CanvasText",
  scrollbarSliderActiveBackground: "CanvasText" };

/**
 * xterm.js's theme from the element's custom properties, or from the colours that the system forces.
 * @param {HTMLElement} root within the shadow tree
 * @param {"dark"|"light"} theme
 * @param {boolean} forced
 * @returns {import("@xterm/xterm").ITheme}
 */
export function terminalTheme(root, theme, forced) {
  const style = getComputedStyle(root);
  const value = (/** @type {string} */ name) => style.getPropertyValue(name).trim() || undefined;
  /** @type {Record<string, string|undefined>} */
  const colours = forced ? resolved(root, FORCED) : {
    background: value("--_bg"), foreground: value("--_fg"), cursor: value("--_cursor"), cursorAccent: value("--_bg"),
    selectionBackground: value("--_selection"), scrollbarSliderBackground: value("--_slider"),
    scrollbarSliderHoverBackground: value("--_slider-on"), scrollbarSliderActiveBackground: value("--_slider-on"),
  };
  const dark = forced ? isDark(colours.background ?? "") : theme === "dark";
  (dark ? DARK : LIGHT).forEach((colour, i) => {
    const name = NAMES[i % 8];
    colours[i < 8 ? name : `bright${name[0].toUpperCase()}${name.slice(1)}`] = colour;
  });
  return colours;
}

/**
 * What names of colours stand for here: xterm.js takes numbers.
 * @param {HTMLElement} root
 * @param {Record<string, string>} names
 */
function resolved(root, names) {
  const probe = h("span", { hidden: true });
  probe.style.forcedColorAdjust = "none";
  root.append(probe);
  const found = Object.entries(names).map(([key, name]) => {
    probe.style.color = name;
    return [key, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(found);
}

/** @param {string} colour as `rgb(r, g, b)` */
function isDark(colour) {
  const [r = 255, g = 255, b = 255] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
}

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

/**
 * xterm.js's theme from the element's custom properties.
 * @param {CSSStyleDeclaration} style of the root within the shadow tree
 * @param {"dark"|"light"} theme
 * @returns {import("@xterm/xterm").ITheme}
 */
export function terminalTheme(style, theme) {
  const value = (/** @type {string} */ name) => style.getPropertyValue(name).trim() || undefined;
  /** @type {Record<string, string|undefined>} */
  const colours = {
    background: value("--_bg"), foreground: value("--_fg"), cursor: value("--_cursor"), cursorAccent: value("--_bg"),
    selectionBackground: value("--_selection"), scrollbarSliderBackground: value("--_slider"),
    scrollbarSliderHoverBackground: value("--_slider-on"), scrollbarSliderActiveBackground: value("--_slider-on"),
  };
  (theme === "dark" ? DARK : LIGHT).forEach((colour, i) => {
    const name = NAMES[i % 8];
    colours[i < 8 ? name : `bright${name[0].toUpperCase()}${name.slice(1)}`] = colour;
  });
  return colours;
}

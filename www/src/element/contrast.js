// Text in the terminal's own colour on another ground: inverse text, and text on a coloured bar.
// xterm.js 6 judges inverse text by the colour that it would have if it were not inverse, so that
// it becomes grey on dark, or stays dark on dark. Here it is the terminal's ground or its text
// colour, whichever is easier to read.

/** WCAG 2, 1.4.3. */
export const CONTRAST = 4.5;

/**
 * The parts of xterm.js that are used here and that it does not publish.
 * @typedef {{css: string, rgba: number}} Colour  `rgba` is 0xrrggbbaa
 * @typedef {object} Colours
 * @property {Colour} foreground
 * @property {Colour} background
 * @property {{getColor(bg: number, fg: number): Colour|null|undefined}} contrastCache
 */

/** @param {number} value of a channel, 0 to 255 */
function linear(value) {
  const part = value / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}

/** @param {number} rgba */
function luminance(rgba) {
  return 0.2126 * linear(rgba >>> 24) + 0.7152 * linear((rgba >>> 16) & 255) + 0.0722 * linear((rgba >>> 8) & 255);
}

/** WCAG's ratio of two colours, 1 to 21. @param {number} a @param {number} b */
function ratio(a, b) {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

/**
 * @param {import("@xterm/xterm").Terminal} terminal
 */
export function mendContrast(terminal) {
  /** @type {Colours|undefined} */
  const colours = /** @type {any} */ (terminal)._core?._themeService?.colors;
  const cache = colours?.contrastCache;
  if (!colours || !cache) return;
  const known = cache.getColor.bind(cache);
  cache.getColor = (bg, fg) => {
    const { foreground, background } = colours;
    // What is neither inverse nor on a coloured ground needs no style of its own.
    if (fg >>> 0 !== foreground.rgba >>> 0 || bg >>> 0 === background.rgba >>> 0) return known(bg, fg);
    const [best] = [foreground, background].sort((a, b) => ratio(b.rgba, bg) - ratio(a.rgba, bg));
    if (ratio(best.rgba, bg) < CONTRAST) return known(bg, fg);
    return { css: `#${(best.rgba >>> 8).toString(16).padStart(6, "0")}`, rgba: best.rgba };
  };
}

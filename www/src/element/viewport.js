/** A keyboard on the screen is higher than this, and a browser's bar that comes and goes is not. */
const KEYBOARD = 120;
/** In less than this toolbar and status line leave too little of the terminal. */
const LOW = 320;

/**
 * Keeps the end of the terminal in sight when a phone's keyboard covers a part of the page, or
 * makes the window smaller (`interactive-widget=resizes-content`).
 * @param {HTMLElement} host
 * @param {HTMLElement} root
 * @param {() => boolean} typing
 * @returns {() => void}
 */
export function followViewport(host, root, typing) {
  const window = host.ownerDocument.defaultView;
  const viewport = window?.visualViewport;
  if (!viewport) return () => {};
  /** The window's height without a keyboard, by its width: a phone that is turned has another. @type {Map<number, number>} */
  const heights = new Map();
  const show = (/** @type {number|undefined} */ height) => {
    root.classList.toggle("covered", height !== undefined);
    root.classList.toggle("low", height !== undefined && height < LOW);
    if (height === undefined) root.style.removeProperty("--_visible");
    else root.style.setProperty("--_visible", `${height}px`);
  };
  const look = () => {
    const { innerWidth, innerHeight } = window;
    const whole = Math.max(heights.get(innerWidth) ?? 0, innerHeight);
    heights.set(innerWidth, whole);
    // A zoomed page has a small viewport too, and no keyboard.
    const covered = viewport.scale < 1.05 && whole - viewport.height > KEYBOARD;
    if (!covered || !typing()) return show(undefined);
    show(Math.floor(viewport.height));
    host.scrollIntoView({ block: "start", behavior: "instant" });
  };
  look();
  viewport.addEventListener("resize", look);
  // The keyboard may be there already, for another field.
  host.addEventListener("focusin", look);
  return () => {
    viewport.removeEventListener("resize", look);
    host.removeEventListener("focusin", look);
    show(undefined);
  };
}

/**
 * Full screen, or the whole window where a browser has none for elements.
 * @param {HTMLElement} host
 */
export async function toggleFullscreen(host) {
  if (host.classList.contains("maximised")) return void host.classList.remove("maximised");
  const shown = /** @type {Document} */ (host.ownerDocument).fullscreenElement;
  if (shown) return host.ownerDocument.exitFullscreen();
  try {
    if (!host.requestFullscreen) throw new TypeError("none for elements");
    await host.requestFullscreen();
  } catch {
    // iPhones have none; a frame may not be permitted it.
    host.classList.add("maximised");
  }
}

/** What a browser would keep for itself of what a shell and an editor need. */
const KEYS = ["Escape", "KeyN", "KeyT", "KeyW"];
/** The element whose full screen has the keys. @type {HTMLElement|undefined} */
let holder;

/**
 * In full screen Escape, Ctrl+W, Ctrl+T and Ctrl+N are the guest's too, where the browser lets a
 * page have them: holding Escape leaves then.
 * @param {HTMLElement} host
 */
export function holdKeys(host) {
  const { keyboard } = /** @type {{keyboard?: {lock(keys: string[]): Promise<void>, unlock(): void}}} */ (/** @type {unknown} */ (navigator));
  if (host.matches(":fullscreen")) {
    holder = host;
    // Refused in a frame.
    keyboard?.lock?.(KEYS).catch(() => {});
  } else if (holder === host) {
    holder = undefined;
    keyboard?.unlock?.();
  }
}

/** @param {HTMLElement} host */
export function isFullscreen(host) {
  return host.classList.contains("maximised") || host.matches(":fullscreen");
}

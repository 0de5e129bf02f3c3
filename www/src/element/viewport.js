/**
 * Keeps the end of the terminal in sight when a phone's keyboard covers a part of the page.
 * @param {HTMLElement} host
 * @param {HTMLElement} root
 * @param {() => boolean} typing
 * @returns {() => void}
 */
export function followViewport(host, root, typing) {
  const window = host.ownerDocument.defaultView;
  const viewport = window?.visualViewport;
  if (!viewport) return () => {};
  const look = () => {
    // A zoomed page has a small viewport too, and no keyboard.
    const covered = viewport.scale < 1.05 && window.innerHeight - viewport.height > 120;
    if (covered && typing()) {
      root.style.setProperty("--_visible", `${Math.floor(viewport.height)}px`);
      host.scrollIntoView({ block: "start", behavior: "instant" });
    } else {
      root.style.removeProperty("--_visible");
    }
  };
  viewport.addEventListener("resize", look);
  return () => {
    viewport.removeEventListener("resize", look);
    root.style.removeProperty("--_visible");
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

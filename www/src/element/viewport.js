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

/** @param {HTMLElement} host */
export function isFullscreen(host) {
  return host.classList.contains("maximised") || host.matches(":fullscreen");
}

/** A finger that moved less than so many pixels taps. */
const SLOP = 6;

/**
 * Lets a finger scroll the terminal, which xterm.js 6 does not. Where nothing is left to scroll the
 * page scrolls.
 * @param {HTMLElement} box
 * @param {{lineHeight: () => number, scroll: (lines: number) => boolean}} terminal
 * @param {AbortSignal} signal  the terminal's end
 */
export function scrollByTouch(box, { lineHeight, scroll }, signal) {
  let last = 0;
  let rest = 0;
  let moved = false;
  box.addEventListener("touchstart", (event) => {
    last = event.touches[0].clientY;
    rest = 0;
    moved = false;
  }, { passive: true, signal });
  box.addEventListener("touchmove", (event) => {
    const height = lineHeight();
    if (event.touches.length !== 1 || height < 1) return;
    const by = last - event.touches[0].clientY;
    if (!moved && Math.abs(by) < SLOP) return;
    last = event.touches[0].clientY;
    rest += by;
    const lines = Math.trunc(rest / height);
    rest -= lines * height;
    if (lines !== 0 && scroll(lines)) moved = true;
    // Once the terminal has scrolled, the rest of this movement is the terminal's too.
    if (moved && event.cancelable) event.preventDefault();
  }, { passive: false, signal });
}

/**
 * A size in bytes: a number, or digits with K, M, G (powers of 1024), as on the command line.
 * @param {unknown} value
 * @returns {number|undefined} undefined where it is none
 */
export function parseSize(value) {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  if (typeof value !== "string") return undefined;
  const found = /^(\d{1,15})\s*([KMGT]?)(i?B)?$/i.exec(value.trim());
  if (!found) return undefined;
  const size = Number(found[1]) * 1024 ** " KMGT".indexOf(found[2].toUpperCase() || " ");
  return Number.isSafeInteger(size) ? size : undefined;
}

/**
 * A size for people: three digits at most.
 * @param {number} bytes
 */
export function formatSize(bytes) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 10 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

// Where the bytes of a machine come from: files, the chunks of disks, parts of images.

export { PATIENCE } from "./attempts.js";
export { CHUNKS, ChunkSource, giveBack } from "./chunks.js";
export { SourceError } from "./error.js";
export { FILES, fetchFile } from "./file.js";
export { browser } from "./host.js";
export { RangeSource } from "./range.js";
export { Store } from "./store.js";

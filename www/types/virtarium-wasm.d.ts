/** What wasm-bindgen writes; `build.mjs --bindgen FILE` says where it is. */
declare module "virtarium-wasm";

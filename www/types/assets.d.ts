declare module "*.css" {
  const text: string;
  export default text;
}

/** What `build.mjs` makes, as the page imports it. */
declare module "*/virtarium.js";

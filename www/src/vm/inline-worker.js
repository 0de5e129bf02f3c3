/** The worker's text as a classic script, in the build that carries it (`build.mjs --single`). @type {string|null} */
export const inlineWorker = null;

/** The worker's text, in the build that carries it (`build.mjs --single`). @type {string|null} */
export const inlineWorker = null;

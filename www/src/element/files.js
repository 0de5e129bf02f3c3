/** @import { Banner } from "./banner.js" */
/** @import { Vm } from "../vm/vm.js" */
import { asVmError } from "../vm/errors.js";
import { formatSize } from "../vm/size.js";
import { ask, chooseFiles, saveFile } from "./dialogs.js";
import { plain } from "./text.js";

/** Files into the guest and out of it, with the user. One transfer at a time. */
export class Files {
  #folder = "/root";
  #path = "/root/";
  /** @type {AbortController|undefined} */
  #busy;
  #dialog;
  #banner;
  #vm;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Banner} banner
   * @param {() => Vm|undefined} vm
   */
  constructor(dialog, banner, vm) {
    this.#dialog = dialog;
    this.#banner = banner;
    this.#vm = vm;
  }

  get possible() {
    const vm = this.#vm();
    return Boolean(vm?.hasAgent && vm.state === "running" && !this.#busy);
  }

  async chooseAndUpload() {
    const files = await chooseFiles({ multiple: true });
    if (files.length > 0) await this.upload(files);
  }

  /** @param {File[]} files */
  async upload(files) {
    const vm = this.#vm();
    if (!vm || !this.possible) return this.#cannot();
    const size = files.reduce((sum, file) => sum + file.size, 0);
    const names = files.length === 1 ? plain(files[0].name) : `${files.length} files`;
    const answer = await ask(this.#dialog, {
      title: `Put ${names} into the machine`,
      text: [`${formatSize(size)}. A file of the same name is replaced.`],
      field: { label: "Folder in the machine", value: this.#folder },
      buttons: [{ label: "Upload", value: "yes", look: "main" }],
    });
    if (!answer) return;
    this.#folder = answer.field || "/";
    await this.#transfer(async (signal) => {
      let before = 0;
      for (const file of files) {
        const name = file.name.replace(/[/\0]/g, "_");
        await vm.upload(`${this.#folder.replace(/\/+$/, "")}/${name}`, file, {
          signal,
          onProgress: ({ loaded }) => this.#progress(`Uploading ${plain(name, 40)}`, before + loaded, size),
        });
        before += file.size;
      }
      return `${names} ${files.length === 1 ? "is" : "are"} in ${this.#folder} now.`;
    });
  }

  async askAndDownload() {
    const vm = this.#vm();
    if (!vm || !this.possible) return this.#cannot();
    const answer = await ask(this.#dialog, {
      title: "Get a file from the machine",
      field: { label: "Path in the machine", value: this.#path },
      buttons: [{ label: "Download", value: "yes", look: "main" }],
    });
    if (!answer?.field) return;
    this.#path = answer.field;
    const name = this.#path.split("/").pop() || "file";
    await this.#transfer(async (signal) => {
      const blob = await vm.download(this.#path, {
        signal,
        onProgress: ({ loaded, total }) => this.#progress(`Downloading ${plain(name, 40)}`, loaded, total),
      });
      saveFile(blob, name);
      return `${plain(name, 40)} was downloaded (${formatSize(blob.size)}).`;
    });
  }

  #cannot() {
    const vm = this.#vm();
    this.#note(this.#busy ? "Another file is on its way; wait for it." : vm && !vm.hasAgent
      ? "This machine has no console for files." : "Files can be moved when the machine has started.");
  }

  /**
   * @param {string} words
   * @param {number} loaded
   * @param {number} total
   */
  #progress(words, loaded, total) {
    this.#banner.progress(`${words}: ${formatSize(loaded)} of ${formatSize(total)}`, total ? loaded / total : 0);
  }

  /** @param {(signal: AbortSignal) => Promise<string>} job */
  async #transfer(job) {
    const control = new AbortController();
    this.#busy = control;
    this.#banner.set("transfer", {
      words: "Asking the machine…", progress: 0, buttons: [{ label: "Cancel", press: () => control.abort() }],
    });
    let words = "";
    try {
      words = await job(control.signal);
    } catch (error) {
      const failure = asVmError(error);
      words = failure.code === "aborted" && control.signal.aborted ? "Cancelled." : plain(failure.message, 300);
    }
    this.#busy = undefined;
    this.#banner.set("transfer", undefined);
    this.#note(words);
  }

  /** @param {string} words */
  #note(words) {
    this.#banner.set("note", { words, buttons: [{ label: "Close", press: () => this.#banner.set("note", undefined) }] });
  }
}

/**
 * Lets files be dropped onto the screen.
 * @param {HTMLElement} screen
 * @param {HTMLElement} hint
 * @param {Files} files
 */
export function acceptDrops(screen, hint, files) {
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") && files.possible;
  screen.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hint.hidden = false;
  });
  screen.addEventListener("dragleave", (event) => {
    if (!(event.relatedTarget instanceof Node && screen.contains(event.relatedTarget))) hint.hidden = true;
  });
  screen.addEventListener("drop", (event) => {
    hint.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    void files.upload([...(event.dataTransfer?.files ?? [])]);
  });
}

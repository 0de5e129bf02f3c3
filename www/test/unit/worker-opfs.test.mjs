// Files of the private file system: whatever is cut short or fails, a disk is one of two things.

import assert from "node:assert/strict";
import { test } from "node:test";

import { failure } from "./source-server.mjs";
import { File, MAGIC, Opfs, refusal } from "./worker.mjs";

const OLD = MAGIC + "old".repeat(10_000);
const NEW = MAGIC + "new".repeat(20_000);

/**
 * A private file system with a disk in it.
 * @param {number} imports How often another one took its place before.
 */
async function kept(imports = 0) {
  const opfs = new Opfs();
  const handle = await new File(opfs.folder, "d").handle(false);
  handle.write(new TextEncoder().encode(imports % 2 ? NEW : OLD), { at: 0 });
  handle.flush();
  handle.close();
  for (let left = imports; left > 0; left -= 1) {
    const file = new File(opfs.folder, "d");
    await file.settle();
    await bring(file, left % 2 ? OLD : NEW);
  }
  return opfs;
}

/** As a session does. @param {InstanceType<typeof File>} file @param {string} text */
async function bring(file, text) {
  const handle = await file.stage(new Blob([text]));
  handle.close();
  await file.approve();
}

/** What a session finds that comes next. @param {Opfs} opfs */
async function found(opfs) {
  const file = new File(opfs.folder, "d");
  await file.settle();
  const handle = await file.handle(false);
  const bytes = new Uint8Array(handle.getSize());
  handle.read(bytes, { at: 0 });
  handle.close();
  assert.equal(await (await file.content()).text(), new TextDecoder().decode(bytes));
  return new TextDecoder().decode(bytes);
}

/** @param {string} text */
const short = (text) => (text === OLD ? "old" : text === NEW ? "new" : `${text.length} bytes`);

test("an_import_takes_the_place_of_a_disk", async () => {
  for (const imports of [0, 1, 2]) {
    const opfs = await kept(imports);
    assert.equal(short(await found(opfs)), "old", `${imports}`);
    await bring(new File(opfs.folder, "d"), NEW);
    assert.equal(short(await found(opfs)), "new", `${imports}`);
    assert.equal(opfs.files.size, 3, "the file, the mark and the owner");
  }
});

test("an_import_that_is_cut_short_anywhere_leaves_the_old_disk_or_the_new_one", async () => {
  const seen = new Set();
  // One call fails; or no call works any more, and then what was not flushed is gone, or the last
  // changes of names as well.
  const ends = ["fail", "kill", 0, 1, 2, 3];
  for (const imports of [0, 1, 2]) {
    for (let steps = 0, done = false; !done; steps += 1) {
      for (const end of ends) {
        const what = `${imports} imports, ${end} at step ${steps}`;
        const opfs = await kept(imports);
        assert.equal(short(await found(opfs)), "old");
        const names = opfs.names.length;
        opfs.left = steps;
        opfs.fault = (what) => {
          if (end === "fail") opfs.left = Infinity;
          throw refusal("UnknownError", what);
        };
        const bringing = bring(new File(opfs.folder, "d"), NEW);
        const result = await bringing.then(() => "new", ({ code }) => code);
        done = result === "new";
        assert.ok(done || result === "storage", `${what}: ${result}`);
        if (typeof end === "number") opfs.cut(Math.max(names, opfs.names.length - end));
        else opfs.kill();
        const text = short(await found(opfs));
        seen.add(text);
        assert.ok(text === "old" || text === "new", `${what}: ${text}`);
        if (done && !(Number(end) > 0)) assert.equal(text, "new", `${what}: it was said to be there`);
        if (end === "fail" && !done) assert.equal(text, "old", `${what}: it was said to have failed`);
        assert.equal(short(await found(opfs)), text, `${what}: and stays so`);
      }
    }
  }
  assert.deepEqual([...seen].sort(), ["new", "old"]);
});

test("an_import_that_does_not_fit_leaves_the_disk", async () => {
  for (const room of [0, 1, 20_000, 60_000]) {
    const opfs = await kept();
    opfs.quota = opfs.used + room;
    const error = await failure(bring(new File(opfs.folder, "d"), NEW));
    assert.equal(error.code, "quota", error.message);
    assert.ok(!opfs.files.has("d.overlay2"), "what was staged is gone");
    assert.equal(short(await found(opfs)), "old");
  }
});

test("what_cannot_be_read_is_not_taken_for_missing", async () => {
  const opfs = await kept(1);
  await bring(new File(opfs.folder, "d"), NEW);
  for (const name of ["d.current", "d.overlay"]) {
    opfs.before = (what, called) => {
      if (what === "getFileHandle" && called === name) throw refusal("UnknownError");
    };
    const error = await failure(new File(opfs.folder, "d").settle());
    assert.equal(error.code, "storage", error.message);
    opfs.before = () => {};
  }
  assert.equal(short(await found(opfs)), "new");
});

test("an_import_fails_where_another_tab_has_the_disk", async () => {
  const opfs = await kept();
  const file = new File(opfs.folder, "d");
  (await file.stage(new Blob([NEW]))).close();
  const thief = new File(opfs.folder, "d");
  const handle = await thief.handle(false);
  assert.equal((await failure(file.approve())).code, "locked");
  handle.close();
  await thief.settle();
  assert.equal((await failure(file.approve())).code, "locked");
  assert.equal(short(await found(opfs)), "old");
});

test("a_file_is_had_again_if_nobody_else_had_it", async () => {
  const opfs = await kept();
  const file = new File(opfs.folder, "d");
  (await file.handle(false)).close();
  (await file.handleAgain()).close();
  (await new File(opfs.folder, "d").handle(false)).close();
  assert.equal((await failure(file.handleAgain())).code, "locked");
  // The user has cleared what the browser kept.
  (await file.handle(false)).close();
  for (const name of ["d.overlay", "d.owner"]) {
    opfs.files.delete(name);
    const error = await failure(file.handleAgain());
    assert.equal(error.code, "storage", error.message);
    assert.ok(!opfs.files.has(name), "nothing is made anew");
  }
});

test("a_mark_that_is_of_no_use_is_not_the_next_import_s", async () => {
  const opfs = await kept();
  (await new File(opfs.folder, "d").stage(new Blob([NEW]))).close();
  opfs.files.delete("d.overlay2");
  const mark = new TextEncoder().encode("2");
  Object.assign(/** @type {object} */ (opfs.files.get("d.current")), { bytes: mark, stable: mark });
  (await new File(opfs.folder, "d").stage(new Blob([NEW]))).close();
  assert.equal(short(await found(opfs)), "old");
});

test("a_disk_that_is_opened_while_another_takes_its_place_is_the_other", async () => {
  const opfs = await kept();
  (await new File(opfs.folder, "d").stage(new Blob([NEW]))).close();
  opfs.before = (what, name) => {
    if (what === "createSyncAccessHandle" && name === "d.overlay") {
      Object.assign(/** @type {object} */ (opfs.files.get("d.current")), { bytes: new TextEncoder().encode("2") });
    }
  };
  const handle = await new File(opfs.folder, "d").handle(false);
  assert.equal(handle.getSize(), NEW.length);
  handle.close();
});

test("a_deletion_that_is_cut_short_brings_nothing_back", async () => {
  for (let steps = 0, done = false; !done; steps += 1) {
    // What was replaced is still there.
    const opfs = await kept(1);
    opfs.left = steps;
    opfs.fault = (what) => {
      throw refusal("UnknownError", what);
    };
    done = await new File(opfs.folder, "d").delete().then(() => true, () => false);
    opfs.kill();
    const text = await found(opfs);
    assert.ok(text === "" || (!done && text === OLD), `step ${steps}: ${short(text)}`);
  }
});

test("a_disk_is_deleted_when_another_tab_has_let_go_of_it", async () => {
  const opfs = await kept();
  const handle = await new File(opfs.folder, "d").handle(false);
  setTimeout(() => handle.close(), 200);
  await new File(opfs.folder, "d").delete();
  assert.equal(opfs.files.size, 0);
});

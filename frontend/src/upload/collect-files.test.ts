import assert from "node:assert/strict";
import test from "node:test";
import { chosenFiles, droppedFiles } from "./collect-files.ts";

/** A browser's entry for a file, or for a folder whose reader returns a few entries at a time. */
interface Entry {
  isFile: boolean;
  fullPath: string;
  file?: (resolve: (file: File) => void, reject: (problem: Error) => void) => void;
  createReader?: () => { readEntries: (resolve: (batch: Entry[]) => void) => void };
}

function fileAt(fullPath: string): Entry {
  const file = new File(["x"], fullPath.split("/").at(-1) ?? "");
  return { isFile: true, fullPath, file: (resolve) => setTimeout(() => resolve(file)) };
}

function folderAt(fullPath: string, children: Entry[], batchSize: number): Entry {
  const createReader = () => {
    let start = 0;
    const readEntries = (resolve: (batch: Entry[]) => void) => {
      const batch = children.slice(start, start + batchSize);
      start += batch.length;
      setTimeout(() => resolve(batch));
    };
    return { readEntries };
  };
  return { isFile: false, fullPath, createReader };
}

/** Drop entries; after the event has been handled, the browser no longer answers. */
function drop(...entries: (Entry | File)[]) {
  let ended = false;
  const items = entries.map((entry) => ({
    kind: "file",
    webkitGetAsEntry: () => (ended || entry instanceof File ? null : entry),
    getAsFile: () => (!ended && entry instanceof File ? entry : null),
  }));
  const files = droppedFiles(items as unknown as DataTransferItem[]);
  ended = true;
  return files;
}

const pathsOf = (files: { path: string }[]) => files.map(({ path }) => path);

test("a folder is walked completely, however few entries a browser returns at a time", async () => {
  const many = Array.from({ length: 250 }, (_, n) => fileAt(`/chest/deep/${n + 1}.dcm`));
  const deep = folderAt("/chest/deep", many, 100);
  const empty = folderAt("/chest/none", [], 9);
  const chest = folderAt("/chest", [deep, fileAt("/chest/a.dcm"), empty], 1);
  const files = await drop(chest, fileAt("/chest.dcm"));
  assert.equal(files.length, 252);
  assert.deepEqual(pathsOf(files).slice(0, 4), [
    "chest.dcm",
    "chest/a.dcm",
    "chest/deep/1.dcm",
    "chest/deep/2.dcm",
  ]);
  assert.ok(files.every((each) => "file" in each && each.path.endsWith(each.file.name)));
});

test("an unreadable file is named with the reason, and the others are collected", async () => {
  const unreadable = {
    ...fileAt("/chest/b"),
    file: (_: unknown, reject: (problem: Error) => void) => {
      reject(new Error("it is gone"));
    },
  };
  const folder = folderAt("/chest", [fileAt("/chest/a"), unreadable, fileAt("/chest/c")], 9);
  const files = await drop(folder);
  assert.deepEqual(pathsOf(files), ["chest/a", "chest/b", "chest/c"]);
  assert.match(files[1] && "refused" in files[1] ? files[1].refused : "", /it is gone/);
  assert.ok(files[2] && "file" in files[2]);
});

test("browsers without entries give files only, and dropped text is ignored", async () => {
  const text = { kind: "string" } as DataTransferItem;
  const file = new File(["x"], "a.png");
  const item = { kind: "file", webkitGetAsEntry: () => null, getAsFile: () => file };
  assert.deepEqual(await droppedFiles([text, item as unknown as DataTransferItem]), [
    { path: "a.png", file },
  ]);
});

test("a file of a chosen folder has its path, another its name", () => {
  const file = new File(["x"], "a.png");
  const inside = Object.assign(new File(["x"], "b.png"), { webkitRelativePath: "chest/b.png" });
  const files = chosenFiles([file, inside] as unknown as FileList);
  assert.deepEqual(pathsOf(files), ["a.png", "chest/b.png"]);
  assert.deepEqual(chosenFiles(null), []);
});

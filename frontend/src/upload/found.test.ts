import assert from "node:assert/strict";
import test from "node:test";
import { chosen, dropped } from "./found.ts";

/** What a browser has of a file, or of a folder that it tells of `atOnce` entries at a time. */
interface Entry {
  isFile: boolean;
  fullPath: string;
  file?: (take: (file: File) => void, fail: (problem: Error) => void) => void;
  createReader?: () => { readEntries: (take: (some: Entry[]) => void) => void };
}

function fileAt(fullPath: string): Entry {
  const file = new File(["x"], fullPath.split("/").at(-1) ?? "");
  return { isFile: true, fullPath, file: (take) => setTimeout(() => take(file)) };
}

function folderAt(fullPath: string, holds: Entry[], atOnce: number): Entry {
  const createReader = () => {
    let at = 0;
    const readEntries = (take: (some: Entry[]) => void) => {
      const some = holds.slice(at, at + atOnce);
      at += some.length;
      setTimeout(() => take(some));
    };
    return { readEntries };
  };
  return { isFile: false, fullPath, createReader };
}

/** As during a drop: after the event has been handled, a browser says nothing of it any more. */
function drop(...held: (Entry | File)[]) {
  let over = false;
  const items = held.map((one) => ({
    kind: "file",
    webkitGetAsEntry: () => (over || one instanceof File ? null : one),
    getAsFile: () => (!over && one instanceof File ? one : null),
  }));
  const found = dropped(items as unknown as DataTransferItem[]);
  over = true;
  return found;
}

const paths = (found: { path: string }[]) => found.map((one) => one.path);

test("a folder is walked whole, however many entries a browser tells of at a time", async () => {
  const many = Array.from({ length: 250 }, (_, n) => fileAt(`/ward/deep/${n + 1}.dcm`));
  const deep = folderAt("/ward/deep", many, 100);
  const ward = folderAt("/ward", [deep, fileAt("/ward/a.dcm"), folderAt("/ward/none", [], 9)], 1);
  const found = await drop(ward, fileAt("/ward.dcm"));
  assert.equal(found.length, 252);
  assert.deepEqual(paths(found).slice(0, 4), [
    "ward.dcm",
    "ward/a.dcm",
    "ward/deep/1.dcm",
    "ward/deep/2.dcm",
  ]);
  assert.ok(found.every((one) => "file" in one && one.path.endsWith(one.file.name)));
});

test("a file that cannot be read is named with the reason, and the others come", async () => {
  const gone = {
    ...fileAt("/ward/b"),
    file: (_: unknown, fail: (problem: Error) => void) => {
      fail(new Error("it is gone"));
    },
  };
  const found = await drop(folderAt("/ward", [fileAt("/ward/a"), gone, fileAt("/ward/c")], 9));
  assert.deepEqual(paths(found), ["ward/a", "ward/b", "ward/c"]);
  assert.match(found[1] && "refused" in found[1] ? found[1].refused : "", /it is gone/);
  assert.ok(found[2] && "file" in found[2]);
});

test("where a browser knows of no entries, files are taken as they are, and text is not", async () => {
  const text = { kind: "string" } as DataTransferItem;
  const file = new File(["x"], "a.png");
  const item = { kind: "file", webkitGetAsEntry: () => null, getAsFile: () => file };
  assert.deepEqual(await dropped([text, item as unknown as DataTransferItem]), [
    { path: "a.png", file },
  ]);
});

test("a file of a chosen folder has its path, another its name", () => {
  const file = new File(["x"], "a.png");
  const inside = Object.assign(new File(["x"], "b.png"), { webkitRelativePath: "ward/b.png" });
  assert.deepEqual(paths(chosen([file, inside] as unknown as FileList)), ["a.png", "ward/b.png"]);
  assert.deepEqual(chosen(null), []);
});

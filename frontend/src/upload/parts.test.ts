import assert from "node:assert/strict";
import test from "node:test";
import type { Image } from "../api/types.ts";
import { outcomes, parts, shares } from "./parts.ts";

test("a batch is cut by number and by bytes, and every file is in one part", () => {
  const sizes = (most: number, bytes: number, ...files: number[]) =>
    parts(
      files.map((size) => ({ size })),
      most,
      bytes,
    ).map((part) => part.map((one) => one.size));
  assert.deepEqual(sizes(2, 100, 1, 2, 3, 4, 5), [[1, 2], [3, 4], [5]]);
  assert.deepEqual(sizes(9, 100, 60, 40, 1, 500, 2), [[60, 40], [1], [500], [2]]);
  assert.deepEqual(sizes(2, 100), []);
});

test("files are sent one after the other", () => {
  assert.deepEqual(shares([10, 30, 0, 60], 0), [0, 0, 0, 0]);
  assert.deepEqual(shares([10, 30, 60], 0.25), [1, 0.5, 0]);
  assert.deepEqual(shares([10, 30, 0, 60], 1), [1, 1, 1, 1]);
});

test("each file gets what became of it, also of two with one name", () => {
  const images = [{ id: "1" }, { id: "2" }] as Image[];
  const refused = [{ name: "a", place: 1, reason: "a PDF" }];
  const found = outcomes(4, { images, refused });
  assert.deepEqual(found.slice(0, 3), [
    { image: images[0] },
    { refused: "a PDF" },
    { image: images[1] },
  ]);
  assert.ok(found[3] && "refused" in found[3]);
});

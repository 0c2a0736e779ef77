import assert from "node:assert/strict";
import test from "node:test";
import type { Image } from "../api/schema.d.ts";
import { outcomesOf, sentShares, splitFiles } from "./split-files.ts";

test("files are split by count and by bytes, and each is in one request", () => {
  const sizes = (maxFiles: number, maxBytes: number, ...files: number[]) =>
    splitFiles(
      files.map((size) => ({ size })),
      maxFiles,
      maxBytes,
    ).map((request) => request.map(({ size }) => size));
  assert.deepEqual(sizes(2, 100, 1, 2, 3, 4, 5), [[1, 2], [3, 4], [5]]);
  assert.deepEqual(sizes(9, 100, 60, 40, 1, 500, 2), [[60, 40], [1], [500], [2]]);
  assert.deepEqual(sizes(2, 100), []);
});

test("the files of a request are sent one after the other", () => {
  assert.deepEqual(sentShares([10, 30, 0, 60], 0), [0, 0, 0, 0]);
  assert.deepEqual(sentShares([10, 30, 60], 0.25), [1, 0.5, 0]);
  assert.deepEqual(sentShares([10, 30, 0, 60], 1), [1, 1, 1, 1]);
});

test("each file gets its own outcome, even if two have one name", () => {
  const images = [{ id: "1" }, { id: "2" }] as Image[];
  const refused = [{ name: "a", place: 1, reason: "a PDF" }];
  const outcomes = outcomesOf(4, { images, refused, already_here: [2] });
  assert.deepEqual(outcomes.slice(0, 3), [
    { image: images[0], alreadyHere: false },
    { refused: "a PDF" },
    { image: images[1], alreadyHere: true },
  ]);
  assert.ok(outcomes[3] && "refused" in outcomes[3]);
});

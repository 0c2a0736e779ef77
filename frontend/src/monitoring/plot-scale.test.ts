import assert from "node:assert/strict";
import test from "node:test";
import { axisTop, linePath } from "./plot-scale.ts";

test("an axis ends at a round number that no value exceeds", () => {
  assert.deepEqual(
    [0.03, 0.1, 0.3, 0.9, 1, 2.01, 7, 224, 5000, 5001].map(axisTop),
    [0.05, 0.1, 0.5, 1, 1, 5, 10, 500, 5000, 10000],
  );
});

test("without values an axis ends at 1", () => {
  assert.deepEqual([0, Number.NaN, Number.NEGATIVE_INFINITY].map(axisTop), [1, 1, 1]);
});

test("a line has gaps where points are missing", () => {
  const path = linePath([null, [0, 1], [2, 3], null, [4, 5], [6, 7.25]]);
  assert.equal(path, "M0.0,1.0L2.0,3.0M4.0,5.0L6.0,7.3");
});

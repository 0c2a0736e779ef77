import assert from "node:assert/strict";
import test from "node:test";
import { angleAt, cardiothoracicRatio, distance, formatLength, formatRatio } from "./length.ts";

test("a length is the distance in the image plane", () => {
  assert.equal(distance([0, 0, 0], [30, 40, 0]), 50);
});

test("millimetres are only claimed where the file has them", () => {
  const size = (scale: "calibrated" | "stated" | "detector" | "film" | "none", height = 1) =>
    formatLength(62.5, { height, width: 1, scale });
  assert.equal(size("calibrated"), "62.5 mm");
  assert.equal(size("stated"), "62.5 mm, calibration not stated");
  assert.equal(size("detector"), "62.5 mm at the detector");
  assert.equal(size("film"), "62.5 mm on the film");
  assert.equal(size("none"), "62.5 pixels");
  assert.equal(size("none", 2), "62.5 pixel widths");
});

test("an angle is that of a protractor", () => {
  assert.ok(
    Math.abs(
      angleAt([
        [1, 0],
        [0, 0],
        [0, 5],
      ]) - 90,
    ) < 1e-9,
  );
  assert.ok(
    Math.abs(
      angleAt([
        [1, 1],
        [0, 0],
        [-1, -1],
      ]) - 180,
    ) < 1e-9,
  );
  assert.ok(
    Math.abs(
      angleAt([
        [-1, 0.1],
        [0, 0],
        [-1, -0.1],
      ]) - 11.4212,
    ) < 1e-3,
  );
});

test("the cardiothoracic ratio is the heart's width by the thorax's", () => {
  const thorax: [number[], number[]] = [
    [0, 0],
    [240, 0],
  ];
  const ratio = cardiothoracicRatio(
    [
      [60, 5],
      [180, 5],
    ],
    thorax,
  );
  assert.deepEqual(ratio, { value: 0.5, remark: "" });
  assert.equal(formatRatio(ratio), "Cardiothoracic ratio 0.50");
  assert.equal(
    cardiothoracicRatio(
      [
        [180, 5],
        [60, 5],
      ],
      thorax,
    ).value,
    0.5,
  );
  const tilted = cardiothoracicRatio(
    [
      [0, 0],
      [100, 100],
    ],
    thorax,
  );
  assert.match(tilted.remark, /45° from parallel/);
  assert.equal(
    cardiothoracicRatio(thorax, [
      [60, 5],
      [180, 5],
    ]).value,
    null,
  );
  assert.equal(
    cardiothoracicRatio(
      [
        [1, 1],
        [1, 1],
      ],
      thorax,
    ).value,
    null,
  );
});

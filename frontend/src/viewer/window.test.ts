import assert from "node:assert/strict";
import test from "node:test";
import type { FileValues, GreyMap } from "./grey-map.ts";
import { formatWindow, inFileUnits, windowPresets } from "./window.ts";

const linear = (slope: number, intercept: number): FileValues => ({
  slope,
  intercept,
  function: "LINEAR",
});

test("width and level are those of PS3.3, C.11.2.1.2.1", () => {
  // Its example: centre 2048, width 4096 show 0 black and 4095 white.
  assert.equal(formatWindow({ lower: 0, upper: 4095 }, linear(1, 0)), "W 4096 L 2048");
});

test("rescaled values count in the units of the file", () => {
  // Centre 40, width 400 are -160 to 239 HU; stored with slope 1, intercept -1024: 864 to 1263.
  assert.equal(formatWindow({ lower: 864, upper: 1263 }, linear(1, -1024)), "W 400 L 40");
  // With slope 2, the same window has half as many grey values.
  assert.equal(formatWindow({ lower: 432, upper: 631.5 }, linear(2, -1024)), "W 400 L 40");
});

test("inverted values have the level of the file", () => {
  // MONOCHROME1 of 12 bits: grey value 4095 - v. Centre 1000, width 501 show 749.5 to 1249.5.
  const range = { lower: 4095 - 1249.5, upper: 4095 - 749.5 };
  assert.deepEqual(inFileUnits(range, linear(-1, 4095)), { width: 501, level: 1000 });
});

test("LINEAR_EXACT does not count one more", () => {
  const exact: FileValues = { slope: 0.001, intercept: 0, function: "LINEAR_EXACT" };
  assert.equal(formatWindow({ lower: 0, upper: 1000 }, exact), "W 1 L 0.5");
});

test("units that are unknown are named", () => {
  assert.equal(formatWindow({ lower: 0, upper: 255 }, null), "W 256 L 128 of the shown grey");
});

test("the windows of the file come first, then those for its values", () => {
  const map: GreyMap = {
    width: 4,
    height: 1,
    values: Uint16Array.from([10, 20, 30, 4000]),
    low: 0,
    high: 4095,
    display: {
      file_values: linear(1, 0),
      windows: [
        { low: 0, high: 4095, explanation: "NORMAL" },
        { low: 100, high: 199, explanation: "" },
      ],
      pixel: { height: 1, width: 1, scale: "none" },
    },
  };
  const presets = windowPresets(map);
  assert.deepEqual(presets[0]?.name, "File: NORMAL (W 4096 L 2048)");
  assert.deepEqual(presets[1], {
    name: "File: Window 2 (W 100 L 150)",
    range: { lower: 100, upper: 199 },
  });
  assert.deepEqual(presets.at(-1), { name: "All values", range: { lower: 10, upper: 4000 } });
});

import assert from "node:assert/strict";
import test from "node:test";
import { parseGreyMap } from "./grey-map.ts";

const grey = (header: string, ...bytes: number[]) =>
  Uint8Array.from([...new TextEncoder().encode(header), ...bytes]).buffer;

test("16-bit values are big-endian", () => {
  const map = parseGreyMap(grey("P5\n# window -0.5 4095\n2 1\n65535\n", 0, 0, 1, 2));
  assert.deepEqual([...map.values], [0, 258]);
  assert.deepEqual([map.width, map.height, map.low, map.high], [2, 1, -0.5, 4095]);
});

test("8-bit values are unchanged, even where they look like the end of a header", () => {
  const map = parseGreyMap(grey("P5\n# window 0 255\n1 3\n255\n", 10, 51, 255));
  assert.deepEqual([...map.values], [10, 51, 255]);
});

test("other content and incomplete content are errors", () => {
  assert.throws(() => parseGreyMap(grey("{}")), /no grey values/);
  assert.throws(() => parseGreyMap(grey("P5\n# window 0 1\n2 2\n255\n", 1, 2, 3)), /completely/);
});

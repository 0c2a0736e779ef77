import assert from "node:assert/strict";
import test from "node:test";
import { parseGreyMap } from "./pgm.ts";

const buffer = (header: string, ...bytes: number[]) =>
  Uint8Array.from([...new TextEncoder().encode(header), ...bytes]).buffer;

test("16 bits come with the most significant byte first", () => {
  const map = parseGreyMap(buffer("P5\n# window -0.5 4095\n2 1\n65535\n", 0, 0, 1, 2));
  assert.deepEqual([...map.values], [0, 258]);
  assert.deepEqual([map.width, map.height, map.low, map.high], [2, 1, -0.5, 4095]);
});

test("8 bits are taken as they are, also where they look like a header's end", () => {
  const map = parseGreyMap(buffer("P5\n# window 0 255\n1 3\n255\n", 10, 51, 255));
  assert.deepEqual([...map.values], [10, 51, 255]);
});

test("what is no grey map, or is cut short, is an error", () => {
  assert.throws(() => parseGreyMap(buffer("{}")), /no grey values/);
  assert.throws(() => parseGreyMap(buffer("P5\n# window 0 1\n2 2\n255\n", 1, 2, 3)), /whole/);
});

import assert from "node:assert/strict";
import test from "node:test";
import { parseGreyMap } from "./grey-map.ts";

const DISPLAY = { file_values: null, windows: [], pixel: { height: 2, width: 1, scale: "none" } };
const START = `# display ${JSON.stringify(DISPLAY)}\n`;

const grey = (header: string, ...bytes: number[]) =>
  Uint8Array.from([...new TextEncoder().encode(header), ...bytes]).buffer;

test("16-bit values are big-endian", () => {
  const map = parseGreyMap(grey(`P5\n# window -0.5 4095\n${START}2 1\n65535\n`, 0, 0, 1, 2));
  assert.deepEqual([...map.values], [0, 258]);
  assert.deepEqual([map.width, map.height, map.low, map.high], [2, 1, -0.5, 4095]);
  assert.deepEqual(map.display, DISPLAY);
});

test("8-bit values are unchanged, even where they look like the end of a header", () => {
  const map = parseGreyMap(grey(`P5\n# window 0 255\n${START}1 3\n255\n`, 10, 51, 255));
  assert.deepEqual([...map.values], [10, 51, 255]);
});

test("other content and incomplete content are errors", () => {
  assert.throws(() => parseGreyMap(grey("{}")), /no grey values/);
  const header = `P5\n# window 0 1\n${START}2 2\n255\n`;
  assert.throws(() => parseGreyMap(grey(header, 1, 2, 3)), /completely/);
});

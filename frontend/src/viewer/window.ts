// Windows: in the units of the file, as radiographers write them, and those that the page offers.

import type { FileValues, GreyMap } from "./grey-map.ts";

/** Grey values that are black and white. */
export interface Range {
  lower: number;
  upper: number;
}

/** Tell whether two windows look the same. */
export function isSame(first: Range, second: Range): boolean {
  const tolerance = (first.upper - first.lower) / 1000;
  return (
    Math.abs(first.lower - second.lower) < tolerance &&
    Math.abs(first.upper - second.upper) < tolerance
  );
}

export interface Preset {
  name: string;
  range: Range;
}

export interface WidthAndLevel {
  width: number;
  level: number;
}

/**
 * Return width and level of a window in the units of its file (PS3.3, C.11.2.1.2).
 *
 * DICOM's linear function counts the values from black to white, so that 0 to 255 are W 256 L 128.
 */
export function inFileUnits({ lower, upper }: Range, fileValues: FileValues | null): WidthAndLevel {
  const { slope, intercept, function: voi } = fileValues ?? IDENTITY;
  const counted = voi === "LINEAR" ? 1 : 0;
  return {
    width: (upper - lower) * Math.abs(slope) + counted,
    level: ((upper + lower) / 2) * slope + intercept + counted / 2,
  };
}

const IDENTITY: FileValues = { slope: 1, intercept: 0, function: "LINEAR" };

/** Return width and level as text, such as "W 4096 L 2048". */
export function formatWindow(range: Range, fileValues: FileValues | null): string {
  const { width, level } = inFileUnits(range, fileValues);
  const digits = width < 20 ? 2 : 0;
  const [w, l] = [width, level].map((number) => Number(number.toFixed(digits)) + 0); // no -0
  return `W ${w} L ${l}${fileValues === null ? " of the shown grey" : ""}`;
}

/** Return the windows that a file offers, and others that suit its values. */
export function windowPresets(map: GreyMap): Preset[] {
  const { windows, file_values: fileValues } = map.display;
  const ofFile = windows.map(({ low, high, explanation }, index) => {
    const range = { lower: low, upper: high };
    const which = windows.length > 1 ? ` ${index + 1}` : "";
    const name = explanation || `Window${which}`;
    return { name: `File: ${name} (${formatWindow(range, fileValues)})`, range };
  });
  const [first, second] = [{ lower: map.low, upper: map.high }, quantiles(map.values)];
  const middle = (first.lower + first.upper) / 2;
  const around = (factor: number) => {
    const half = ((first.upper - first.lower) / 2) * factor;
    return { lower: middle - half, upper: middle + half };
  };
  return [
    ...(ofFile.length > 0 ? ofFile : [{ name: "As at first", range: first }]),
    { name: "More contrast", range: around(0.5) },
    { name: "Less contrast", range: around(2) },
    { name: "Without the outermost 1 %", range: second },
    { name: "All values", range: extent(map.values) },
  ];
}

function extent(values: GreyMap["values"]): Range {
  let [lower, upper] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    lower = Math.min(lower, value);
    upper = Math.max(upper, value);
  }
  return { lower, upper: Math.max(upper, lower + 1) };
}

const SAMPLES = 200_000;
const SHARE = 0.01;

/** Return the range of the values without the lowest and the highest. */
function quantiles(values: GreyMap["values"]): Range {
  const step = Math.max(1, Math.floor(values.length / SAMPLES));
  const sample = Float32Array.from(
    { length: Math.ceil(values.length / step) },
    (_, index) => values[index * step] as number,
  ).sort();
  const at = (share: number) => sample[Math.round(share * (sample.length - 1))] as number;
  const lower = at(SHARE);
  return { lower, upper: Math.max(at(1 - SHARE), lower + 1) };
}

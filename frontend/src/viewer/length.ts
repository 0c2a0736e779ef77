// Lengths, angles and the cardiothoracic ratio, in words that claim no more than the file says.

import type { PixelSize } from "./grey-map.ts";

export type Point = ArrayLike<number>;

const UNITS: Record<PixelSize["scale"], string> = {
  calibrated: "mm",
  stated: "mm, calibration not stated",
  detector: "mm at the detector",
  film: "mm on the film",
  none: "pixels",
};

/** Return the distance of two points of the image plane, in the units of the points. */
export function distance(first: Point, second: Point): number {
  return Math.hypot((second[0] ?? 0) - (first[0] ?? 0), (second[1] ?? 0) - (first[1] ?? 0));
}

export function formatLength(length: number, pixel: PixelSize): string {
  const isSquare = Math.abs(pixel.height / pixel.width - 1) < 1e-3;
  const unit = pixel.scale === "none" && !isSquare ? "pixel widths" : UNITS[pixel.scale];
  return `${length.toFixed(1)} ${unit}`;
}

/** Return the angle at the middle one of three points, in degrees. */
export function angleAt([first, vertex, last]: [Point, Point, Point]): number {
  const direction = (point: Point) =>
    Math.atan2((point[1] ?? 0) - (vertex[1] ?? 0), (point[0] ?? 0) - (vertex[0] ?? 0));
  const turn = Math.abs(direction(first) - direction(last));
  return (Math.min(turn, 2 * Math.PI - turn) * 180) / Math.PI;
}

export type Line = [Point, Point];

const MAX_TILT = 10; // degrees between two lines that are both meant to be horizontal

export interface Ratio {
  /** Null where the lines cannot be a heart and its thorax. */
  value: number | null;
  /** What to correct; empty if nothing. */
  remark: string;
}

/** Return the cardiothoracic ratio: the heart's greatest width by the thorax's inner width. */
export function cardiothoracicRatio(heart: Line, thorax: Line): Ratio {
  const [heartWidth, thoraxWidth] = [distance(...heart), distance(...thorax)];
  if (!(heartWidth > 0 && heartWidth < thoraxWidth)) {
    return { value: null, remark: "the heart's line is not shorter than the thorax's" };
  }
  const tilt = tiltBetween(heart, thorax);
  const remark = tilt > MAX_TILT ? `the lines are ${tilt.toFixed(0)}° from parallel` : "";
  return { value: heartWidth / thoraxWidth, remark };
}

function tiltBetween(first: Line, second: Line): number {
  const origin = [0, 0];
  const vector = ([from, to]: Line) => [
    (to[0] ?? 0) - (from[0] ?? 0),
    (to[1] ?? 0) - (from[1] ?? 0),
  ];
  const angle = angleAt([vector(first), origin, vector(second)]);
  return Math.min(angle, 180 - angle);
}

export function formatRatio({ value, remark }: Ratio): string {
  const ratio = value === null ? "No ratio" : `Cardiothoracic ratio ${value.toFixed(2)}`;
  return remark ? `${ratio}: ${remark}` : ratio;
}

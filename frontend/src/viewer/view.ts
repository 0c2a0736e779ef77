// The view of a radiograph in its viewport: fitted, of true size, turned, flipped, moved in steps.

import type { Types } from "@cornerstonejs/core";
import type { Range } from "./window.ts";

export interface Orientation {
  /** Whether left and right, or top and bottom, are exchanged, as in a mirror. */
  flipped: boolean;
  /** Degrees by which the image's top was turned to the right. */
  turned: number;
}

/** Return how the image lies on the screen, measured there. */
export function orientationOf(viewport: Types.IStackViewport): Orientation {
  const origin = viewport.worldToCanvas([0, 0, 0]);
  const direction = (world: Types.Point3) => {
    const [x, y] = viewport.worldToCanvas(world);
    return [x - origin[0], y - origin[1]] as const;
  };
  const up = direction([0, -100, 0]);
  const right = direction([100, 0, 0]);
  const degrees = (Math.atan2(up[0], -up[1]) * 180) / Math.PI;
  return {
    flipped: right[0] * up[1] - right[1] * up[0] > 0,
    turned: (Math.round(degrees / 90) * 90 + 360) % 360,
  };
}

/** Return half of the height that the view has in the image's units when all of the image fits. */
function fittedScale(viewport: Types.IStackViewport, [width, height]: [number, number]): number {
  const image = viewport.getImageData();
  if (!image || width === 0) {
    return 1;
  }
  const sides = [0, 1].map((axis) => image.dimensions[axis as 0] * image.spacing[axis as 0]);
  const [across, down] = orientationOf(viewport).turned % 180 === 0 ? sides : sides.toReversed();
  return Math.max(down ?? 1, ((across ?? 1) * height) / width) / 2;
}

/** Fit the image into its viewport, turned and flipped as it is. */
export function fit(viewport: Types.IStackViewport): void {
  const { viewUp, flipHorizontal } = viewport.getCamera();
  viewport.resetCamera();
  if (flipHorizontal) {
    viewport.setCamera({ flipHorizontal });
  }
  viewport.setCamera({ viewUp: viewUp as Types.Point3 });
  const { clientWidth, clientHeight } = viewport.element;
  viewport.setCamera({ parallelScale: fittedScale(viewport, [clientWidth, clientHeight]) });
}

/** Tell whether the image is fitted into its viewport, of the size in which it was drawn last. */
export function isFitted(viewport: Types.IStackViewport): boolean {
  const { parallelScale = 1 } = viewport.getCamera();
  const [right, down] = viewport.getPan();
  const { width, height } = viewport.getCanvas();
  const fitted = fittedScale(viewport, [width, height]);
  return Math.abs(parallelScale / fitted - 1) < 0.01 && Math.hypot(right, down) <= 1;
}

/** Return the size of a pixel of the image on the screen, in pixels of the screen. */
export function scaleOf(viewport: Types.IStackViewport): number {
  const { parallelScale = 1 } = viewport.getCamera();
  const [width, height] = viewport.getImageData()?.spacing ?? [1, 1];
  const pixels = viewport.element.clientHeight * devicePixelRatio;
  return (pixels / (2 * parallelScale)) * Math.min(width, height);
}

/** Show a pixel of the image as one pixel of the screen; the longer side of it, if it has one. */
export function showTrueSize(viewport: Types.IStackViewport): void {
  const { parallelScale = 1 } = viewport.getCamera();
  viewport.setCamera({ parallelScale: parallelScale * scaleOf(viewport) });
}

/** Turn the image by 90 degrees, as seen on the screen. */
export function turn(viewport: Types.IStackViewport, to: "left" | "right"): void {
  const wasFitted = isFitted(viewport);
  const step = to === "right" ? 90 : 270;
  viewport.setViewPresentation({ rotation: (viewport.getRotation() + step) % 360 });
  if (wasFitted) {
    fit(viewport);
  }
}

/** Exchange left and right, as seen on the screen. */
export function flip(viewport: Types.IStackViewport): void {
  viewport.setCamera({ flipHorizontal: !viewport.getCamera().flipHorizontal });
}

export interface Move {
  kind: "window" | "zoom" | "pan";
  /** Number of steps to the right; negative to the left. */
  right?: number;
  /** Number of steps up; negative down. */
  up?: number;
}

const STEP_FACTOR = 1.1; // of the zoom and of the window's width
const STEP_SHARE = 0.05; // of the window's width for the level, of the view's width for panning

/** Change the view by the keyboard, in steps. */
export function moveView(viewport: Types.IStackViewport, { kind, right = 0, up = 0 }: Move): void {
  const range = viewport.getProperties().voiRange;
  if (kind === "zoom") {
    viewport.setZoom(viewport.getZoom() * STEP_FACTOR ** (right + up));
  } else if (kind === "pan") {
    const [x, y] = viewport.getPan();
    const step = STEP_SHARE * viewport.element.clientWidth;
    viewport.setPan([x + right * step, y - up * step]);
  } else if (range) {
    viewport.setProperties({ voiRange: stepped(range, right, up) });
  }
}

function stepped({ lower, upper }: Range, right: number, up: number): Range {
  // A lower level makes the image brighter.
  const width = upper - lower;
  const level = (upper + lower) / 2 - up * STEP_SHARE * width;
  const half = (width * STEP_FACTOR ** right) / 2;
  return { lower: level - half, upper: level + half };
}

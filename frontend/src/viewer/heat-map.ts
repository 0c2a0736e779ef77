// The heat map, drawn over a radiograph that may have been moved and zoomed.

import { type Types, utilities } from "@cornerstonejs/core";
import type { Highlights } from "../api/schema.d.ts";

/** Return the heat map as a bitmap; null where nothing is highlighted. */
export async function decodeHeatMap(highlights: Highlights): Promise<ImageBitmap | null> {
  if (highlights.png === null) {
    return null;
  }
  const content = Uint8Array.from(atob(highlights.png), (letter) => letter.charCodeAt(0));
  return createImageBitmap(new Blob([content], { type: "image/png" }));
}

/** Draw a heat map over the whole radiograph, wherever that is in its viewport at the moment. */
export function drawHeatMap(
  canvas: HTMLCanvasElement,
  viewport: Types.IStackViewport,
  bitmap: ImageBitmap | null,
  opacity: number,
): void {
  const { clientWidth, clientHeight } = canvas;
  const scale = devicePixelRatio;
  canvas.width = clientWidth * scale;
  canvas.height = clientHeight * scale;
  const context = canvas.getContext("2d");
  const image = viewport.getImageData();
  if (context === null || bitmap === null || !image) {
    return;
  }
  const [columns, rows] = image.dimensions;
  // Indices are those of the centres of pixels; the heat map reaches from edge to edge.
  const corner = (column: number, row: number) =>
    viewport.worldToCanvas(
      utilities.transformIndexToWorld(image.imageData, [column - 0.5, row - 0.5, 0]),
    );
  const [left, top] = corner(0, 0);
  const [rightX, rightY] = corner(columns, 0);
  const [downX, downY] = corner(0, rows);
  context.setTransform(
    ((rightX - left) / bitmap.width) * scale,
    ((rightY - top) / bitmap.width) * scale,
    ((downX - left) / bitmap.height) * scale,
    ((downY - top) / bitmap.height) * scale,
    left * scale,
    top * scale,
  );
  context.globalAlpha = opacity;
  context.drawImage(bitmap, 0, 0);
}

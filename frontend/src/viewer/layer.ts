// The heat map as a layer over a radiograph that may be moved and enlarged.

import { type Types, utilities } from "@cornerstonejs/core";
import type { Highlights } from "../api/types.ts";

/** The layer's picture; null where nothing is highlighted. */
export async function pictureOf(highlights: Highlights): Promise<ImageBitmap | null> {
  if (highlights.png === null) {
    return null;
  }
  const content = Uint8Array.from(atob(highlights.png), (letter) => letter.charCodeAt(0));
  return createImageBitmap(new Blob([content], { type: "image/png" }));
}

/** Draw a picture over the whole of the radiograph, wherever that is in its viewport now. */
export function drawLayer(
  canvas: HTMLCanvasElement,
  viewport: Types.IStackViewport,
  picture: ImageBitmap | null,
  opacity: number,
): void {
  const { clientWidth, clientHeight } = canvas;
  const scale = devicePixelRatio;
  canvas.width = clientWidth * scale;
  canvas.height = clientHeight * scale;
  const context = canvas.getContext("2d");
  const image = viewport.getImageData();
  if (context === null || picture === null || !image) {
    return;
  }
  const [columns, rows] = image.dimensions;
  // Indices are of the pixels' middles; the picture reaches from edge to edge.
  const corner = (column: number, row: number) =>
    viewport.worldToCanvas(
      utilities.transformIndexToWorld(image.imageData, [column - 0.5, row - 0.5, 0]),
    );
  const [left, top] = corner(0, 0);
  const [rightX, rightY] = corner(columns, 0);
  const [downX, downY] = corner(0, rows);
  context.setTransform(
    ((rightX - left) / picture.width) * scale,
    ((rightY - top) / picture.width) * scale,
    ((downX - left) / picture.height) * scale,
    ((downY - top) / picture.height) * scale,
    left * scale,
    top * scale,
  );
  context.globalAlpha = opacity;
  context.drawImage(picture, 0, 0);
}

// The canvas of the heat map.

import type { Page } from "playwright-core";

export interface HeatMapView {
  /** Number of pixels that are not transparent. */
  coloured: number;
  /** Centre of these pixels. */
  x: number;
  y: number;
  /** Highest opacity, 0 to 255. */
  alpha: number;
}

/** Measure what the first heat map shows. */
export function measureHeatMap(page: Page): Promise<HeatMapView> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>("canvas.heat-map");
    const context = canvas?.getContext("2d");
    const sum = { x: 0, y: 0, alpha: 0, coloured: 0 };
    if (canvas && context) {
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      for (let pixel = 0; pixel < data.length / 4; pixel += 1) {
        const alpha = data[4 * pixel + 3] ?? 0;
        if (alpha > 0) {
          sum.alpha = Math.max(sum.alpha, alpha);
          sum.x += pixel % canvas.width;
          sum.y += Math.floor(pixel / canvas.width);
          sum.coloured += 1;
        }
      }
    }
    return { ...sum, x: sum.x / sum.coloured, y: sum.y / sum.coloured };
  });
}

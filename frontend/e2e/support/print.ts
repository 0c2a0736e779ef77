// What stands on paper: the radiographs as they were on the screen, in their proportions.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";

interface Shape {
  /** Width by height. */
  ratio: number;
  width: number;
}

/** Return the shape of each radiograph's viewport. */
function measureStages(page: Page): Promise<Shape[]> {
  return page.locator("figure.viewer .stage").evaluateAll((stages) =>
    stages.map((stage) => {
      const { width, height } = stage.getBoundingClientRect();
      return { ratio: width / height, width };
    }),
  );
}

/** Check that all radiographs of the screen are on paper, undistorted; do more there. */
export async function checkPrint(page: Page, check: () => Promise<void> = async () => {}) {
  await page.waitForTimeout(300); // for the page to note the size in which it will print
  const shown = await measureStages(page);
  await page.emulateMedia({ media: "print" });
  const printed = await measureStages(page);
  assert.equal(printed.length, shown.length);
  for (const [place, { ratio, width }] of printed.entries()) {
    const distortion = ratio / (shown[place]?.ratio ?? 0);
    assert.ok(Math.abs(distortion - 1) < 0.02, `radiograph ${place} is distorted: ${distortion}`);
    assert.ok(width > 100, `radiograph ${place} is ${width} pixels wide on paper`);
  }
  await check();
  await page.emulateMedia({ media: null });
}

// The view of a radiograph: its caption, and waiting until it is as expected.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";

export interface View {
  width: number;
  level: number;
  zoom: number;
}

/** Compare numbers that are rounded, and positions of soft edges. */
export function isClose(first: number, second: number, tolerance = 1): boolean {
  return Math.abs(first - second) <= tolerance;
}

/** Read the window and the zoom from the caption of the radiograph. */
export async function readView(page: Page): Promise<View> {
  const text = await page.locator("figure.viewer output").first().textContent();
  const [width, level, zoom] = text?.match(/-?[\d.]+/g)?.map(Number) ?? [];
  assert.ok(width !== undefined && level !== undefined && zoom !== undefined, `${text}`);
  return { width, level, zoom };
}

/** Press keys, then measure until the result is as expected: drawing takes time. */
export async function pressUntil<T>(
  page: Page,
  keys: string,
  measure: (page: Page) => Promise<T>,
  isExpected: (result: T) => boolean,
) {
  for (const key of keys.split(" ").filter(Boolean)) {
    await page.keyboard.press(key);
  }
  const deadline = Date.now() + 10_000;
  for (let result = await measure(page); !isExpected(result); result = await measure(page)) {
    assert.ok(Date.now() < deadline, `${keys}: ${JSON.stringify(result)}`);
    await page.waitForTimeout(50);
  }
}

export async function waitUntil(isTrue: () => Promise<boolean>, what: string) {
  const deadline = Date.now() + 10_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// Finding a study in the worklist and opening it.

import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";

/** Search the worklist with the keyboard; an empty text shows all studies. */
export async function searchWorklist(page: Page, text: string): Promise<void> {
  await page.keyboard.press("/");
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  await page.keyboard.type(text);
  await page.keyboard.press("Escape");
  assert.ok(text === "" || !page.url().includes(text), "the address contains the search");
}

/** Wait for the worklist to show a number of studies. */
export async function waitForCount(page: Page, count: number): Promise<void> {
  await page.getByText(count === 1 ? "1 study," : `${count} studies,`).waitFor();
}

/** Wait until the first viewer shows its radiograph. */
export async function waitForRadiograph(page: Page): Promise<void> {
  await page.locator("figure[data-state=shown] output:not(:empty)").waitFor();
}

/** Open the first study that a search finds, and wait for its radiograph. */
export async function openStudy(page: Page, text: string): Promise<void> {
  await searchWorklist(page, text);
  await rowWith(page, text).getByRole("link").click();
  await waitForRadiograph(page);
}

/** Open the only study that a search finds, and wait for its radiograph. */
export async function openOnlyStudy(page: Page, text: string): Promise<void> {
  await page.locator("tr.study").first().waitFor(); // the keys of the list work from then on
  await searchWorklist(page, text);
  await waitForCount(page, 1);
  await page.locator("tr.study").getByRole("link").click();
  await waitForRadiograph(page);
}

export function rowWith(page: Page, text: string): Locator {
  return page.locator("tr.study", { hasText: text }).first();
}

/** Return to the worklist, out of a field that may have the focus. */
export async function closeStudy(page: Page): Promise<void> {
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
}

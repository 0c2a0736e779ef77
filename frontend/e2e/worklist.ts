// The worklist: order, filters, search and keyboard shortcuts.

import assert from "node:assert/strict";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";
import {
  checkKeyboardHelp,
  closeKeyboardHelp,
  openKeyboardHelp,
  WORKLIST_KEYS,
} from "./support/keyboard-help.ts";
import { checkPrint } from "./support/print.ts";
import { rowWith, searchWorklist, waitForCount } from "./support/studies.ts";

interface Worklist extends Task {
  administrator: Account;
  studies: number;
  /** A patient with two studies. */
  patient: string;
  /** Ways to write the name of this patient. */
  names: string[];
  /** The images of a study that has two. */
  images: [string, string];
  /** The file name of an image that was rejected, and the beginning of the reason. */
  rejected: { name: string; reason: string };
}

export default defineSpec<Worklist>(async (test) => {
  const { page, task } = test;
  const rows = page.locator("tr.study");
  await test.begin(task.administrator);
  await waitForCount(page, task.studies);
  await checkOrder();
  await moveFocus();
  await test.inspect("worklist");
  await openKeyboardHelp(page);
  await test.inspect("keyboard-help");
  await turnSingleKeysOffAndOn();
  await checkKeyboardHelp(page, WORKLIST_KEYS);
  await filterWithKeys();
  await openPagesWithKeys();
  await openStudyAndReturn();
  await filterWithMouse();
  for (const text of [task.patient, ...task.names]) {
    await searchWorklist(page, text);
    await waitForCount(page, 2);
    await searchWorklist(page, "");
    await waitForCount(page, task.studies);
  }

  async function checkOrder() {
    assert.equal(await rows.count(), task.studies);
    const groups = page.locator("tbody");
    await groups.first().getByText("Needs a look").waitFor();
    const [look, others] = [groups.first().locator(".study"), groups.last()];
    assert.equal(await look.count(), 1);
    await look.getByText(task.rejected.name).waitFor();
    assert.equal(await look.locator(".chip").textContent(), "not read");
    assert.equal(
      await page.locator(".remark, .chip").evaluateAll(countCut),
      0,
      "words are cut off",
    );
    const probabilities = await others
      .locator("meter")
      .evaluateAll((meters) => meters.map((meter) => (meter as HTMLMeterElement).value));
    assert.deepEqual(
      probabilities,
      probabilities.toSorted((first, second) => second - first),
      "not by urgency",
    );
  }

  async function moveFocus() {
    for (const key of ["j", "j", "k"]) {
      await page.keyboard.press(key);
    }
    const focused = await rows.first().evaluate((row) => row.contains(document.activeElement));
    assert.ok(focused, "j, j, k does not lead to the first study");
  }

  /** Without single-key shortcuts, `?` has no effect, but its button still opens the dialog. */
  async function turnSingleKeysOffAndOn() {
    const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await help.getByRole("checkbox").uncheck();
    const kept = await page.evaluate(() => localStorage.getItem("keys of one character"));
    assert.equal(kept, "off", "browsers that turned them off in 0.1.0 would have them again");
    await closeKeyboardHelp(page, help);
    await page.reload();
    await waitForCount(page, task.studies);
    await page.keyboard.press("?");
    assert.equal(await help.isVisible(), false);
    await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
    await help.getByRole("checkbox").check();
    await closeKeyboardHelp(page, help);
  }

  async function filterWithKeys() {
    for (const status of ["Reviewed", "All", "Awaiting review"]) {
      await page.keyboard.press("s");
      await page.getByRole("radio", { name: status, checked: true }).waitFor();
    }
    await waitForCount(page, task.studies);
    await page.keyboard.press("d");
    await page.getByText("No matching studies").waitFor();
    await page.keyboard.press("d");
    await waitForCount(page, task.studies);
    await page.keyboard.press("x");
    await page
      .locator("tr.study:not(:has(.remark.rejected))")
      .first()
      .waitFor({ state: "detached" });
    await rowWith(page, task.rejected.name)
      .locator(".remark")
      .getByText(task.rejected.reason)
      .waitFor();
    await page.keyboard.press("x");
    await waitForCount(page, task.studies);
  }

  async function openPagesWithKeys() {
    const pages = { 2: "Upload", 3: "Monitoring", 4: "Administration", 1: "Worklist" };
    for (const key of ["2", "3", "4", "1"] as const) {
      await page.keyboard.press(key);
      await page.getByRole("heading", { name: pages[key], level: 1 }).waitFor();
      assert.equal(await page.title(), `${pages[key]} · pneumoscope`);
    }
    await waitForCount(page, task.studies);
  }

  /** Page through the images of a study that has two, and return to its row. */
  async function openStudyAndReturn() {
    const row = rowWith(page, task.images[0]);
    await row.getByRole("link").focus();
    await page.keyboard.press("Enter");
    const waitForImage = (name: string) =>
      page.locator("figure[data-state=shown]", { hasText: name }).waitFor();
    await page.locator(".images").waitFor();
    const shown = await page.locator(".images [aria-pressed=true] small").textContent();
    const other = task.images.find((name) => name !== shown) ?? "";
    await waitForImage(shown ?? "");
    await page.keyboard.press("]");
    await waitForImage(other);
    await page.keyboard.press("[");
    await waitForImage(shown ?? "");
    await checkPrint(page);
    await page.keyboard.press("Escape");
    await row.waitFor();
    await page.waitForFunction(
      (name) => document.activeElement?.closest("tr.study")?.textContent?.includes(name),
      task.images[0],
    );
  }

  async function filterWithMouse() {
    await page.getByRole("radio", { name: "Reviewed" }).check({ force: true });
    await page.getByText("No matching studies").waitFor();
    await page.getByRole("button", { name: "Look in all studies" }).click();
    await page.getByRole("radio", { name: "All", checked: true }).waitFor();
    await waitForCount(page, task.studies);
    await page.getByLabel("Sort by").selectOption("arrival");
    await page.getByText(`${task.studies} studies, longest waiting first`).waitFor();
    await page.getByLabel("Studies from").fill("2001-01-01");
    await page.getByLabel("to", { exact: true }).fill("2001-01-02");
    await page.getByText("No matching studies").waitFor();
    await page.getByLabel("Studies from").fill("");
    await page.getByLabel("to", { exact: true }).fill("");
    await page.getByLabel("to", { exact: true }).blur();
    await waitForCount(page, task.studies);
  }
});

/** Count the elements that show only a part of their text. */
function countCut(elements: Element[]): number {
  return elements.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth + 1).length;
}

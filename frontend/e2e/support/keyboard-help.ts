// The dialog of the keyboard shortcuts.

import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";

const EVERYWHERE = "? 1 2 3 4 Q Tab Esc";
export const WORKLIST_KEYS = {
  Worklist: "j ↓ k ↑ ⏎ m u",
  Filters: "/ s x d",
  Everywhere: EVERYWHERE,
};
export const STUDY_KEYS = {
  Study: "j k Esc",
  View: "w z p m l g o ← → ↑ ↓ + - v f 0 < > x i Delete Backspace u r h , . c b y ; [ ] s e P",
  Judgement: "a d n t",
  Everywhere: EVERYWHERE,
};

/** Open the dialog with its key. */
export async function openKeyboardHelp(page: Page): Promise<Locator> {
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await help.waitFor();
  return help;
}

/** Close the dialog; until then, all other keys are without effect. */
export async function closeKeyboardHelp(page: Page, help: Locator): Promise<void> {
  await page.keyboard.press("Escape");
  await help.waitFor({ state: "hidden" });
}

/** Check that the dialog lists exactly these keys, and that all keys shown on buttons are among them. */
export async function checkKeyboardHelp(page: Page, expected: Record<string, string>) {
  const keysOnButtons = await page.locator("main kbd").allTextContents();
  const help = await openKeyboardHelp(page);
  const listed = await help
    .locator("section")
    .evaluateAll((sections) =>
      sections.map((section) => [
        section.querySelector("h3")?.textContent,
        [...section.querySelectorAll("kbd")].map((key) => key.textContent).join(" "),
      ]),
    );
  assert.deepEqual(Object.fromEntries(listed), expected);
  const keys = Object.values(expected).join(" ").split(" ");
  assert.deepEqual(
    keysOnButtons.filter((key) => !keys.includes(key)),
    [],
  );
  await closeKeyboardHelp(page, help);
}

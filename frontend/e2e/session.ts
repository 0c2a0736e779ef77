// Signing out leaves nothing of a patient, and a clinician sees no readings in shadow mode.

import assert from "node:assert/strict";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";
import { searchWorklist, waitForCount, waitForRadiograph } from "./support/studies.ts";

interface SessionTask extends Task {
  administrator: Account;
  clinician: Account;
  studies: number;
  /** A patient with two studies, and the beginning of the name. */
  patient: string;
  patientName: string;
}

export default defineSpec<SessionTask>(async (test) => {
  const { page, task } = test;
  await test.begin(task.administrator);
  await searchWorklist(page, task.patient);
  await waitForCount(page, 2);
  await signOutWithKey();

  await test.signIn(task.clinician);
  await waitForCount(page, task.studies); // the administrator's search is forgotten
  assert.equal(await page.getByRole("link", { name: "Administration" }).count(), 0);
  await workInShadowMode();
  await signOutWithKey();
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();

  async function signOutWithKey() {
    await page.getByText(task.patientName).first().waitFor();
    await page.keyboard.press("Q");
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    const text = await page.locator("body").textContent();
    assert.ok(!text?.includes(task.patientName), "a patient stays on the screen");
  }

  async function workInShadowMode() {
    await page.getByText("hidden").first().waitFor();
    assert.equal(await page.locator("meter").count(), 0);
    await searchWorklist(page, task.patient);
    await waitForCount(page, 2);
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await waitForRadiograph(page);
    await page.getByText("This site is in shadow mode").waitFor();
    assert.equal(await page.getByRole("button", { name: /Heat map/ }).count(), 0);
    await test.inspect("shadow-mode");
  }
});

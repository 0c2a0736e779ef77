// An adult's radiograph at a clinic whose network is for children: a reason, and no probability.

import assert from "node:assert/strict";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";
import { closeStudy, openStudy, rowWith, waitForCount } from "./support/studies.ts";

interface Outside extends Task {
  clinician: Account;
  /** Identifier of the adult. */
  patient: string;
  /** Why the radiograph was not read. */
  reason: string;
  /** Number of studies with an image that was not read. */
  unread: number;
}

export default defineSpec<Outside>(async (test) => {
  const { page, task, results } = test;
  const contents: string[] = [];
  page.on("response", async (response) => {
    if (response.headers()["content-type"]?.includes("json")) {
      contents.push(await response.text().catch(() => ""));
    }
  });
  await test.begin(task.clinician);
  await page.keyboard.press("x");
  await page.getByRole("checkbox", { name: "Not read", checked: true }).waitFor();
  await waitForCount(page, task.unread);
  const row = rowWith(page, task.patient);
  await row.locator(".remark", { hasText: `not read: ${task.reason}` }).waitFor();
  assert.equal(await row.locator(".chip").textContent(), "not read");
  assert.equal(await row.locator("meter, .finding").count(), 0);
  assert.doesNotMatch((await row.textContent()) ?? "", /%/);
  contents.push(await page.content());
  await test.inspect("outside-worklist");
  await openStudy(page, task.patient);
  const reading = page.locator(".reading");
  await reading.getByText("Not read").waitFor();
  await reading.getByText(task.reason).waitFor();
  assert.doesNotMatch((await reading.textContent()) ?? "", /\d%|pneumonia|normal/);
  assert.equal(await page.locator(".scale").count(), 0);
  assert.equal(await page.getByRole("button", { name: /Heat map/ }).count(), 0);
  await page.keyboard.press("h"); // the key has no effect either
  assert.equal(await page.locator(".legend").count(), 0);
  contents.push(await page.content());
  await test.inspect("outside");
  for (const model of await page.locator(".limits").all()) {
    assert.match((await model.getAttribute("aria-labelledby")) ?? "", /^\S+$/); // one heading
  }
  const answers = page.getByRole("group", { name: "Was it right not to read the image?" });
  assert.equal(await answers.getByText("Agree", { exact: false }).count(), 0);
  await page.getByLabel("Open the next study after saving").uncheck();
  await answers.getByLabel("Should be read").check({ force: true });
  await page.getByLabel("Correct finding").selectOption("not stated");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText(`Should be read ${task.clinician.name}, version 1`).waitFor();
  await closeStudy(page);
  results.contents = contents;
});

// Judgements: an answer with its reason, versions, and drafts that are not lost.

import assert from "node:assert/strict";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";
import { closeStudy, openStudy, searchWorklist, waitForCount } from "./support/studies.ts";

interface JudgementTask extends Task {
  administrator: Account;
  patient: string;
}

const COMMENT = "<img src=x onerror=alert(1)> a tube";

export default defineSpec<JudgementTask>(
  async (test) => {
    const { page, task } = test;
    const { name } = task.administrator;
    await test.begin(task.administrator);
    await openStudy(page, task.patient);
    await writeDraft();
    await returnToDraft();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText(`${name}, version 1`).waitFor();
    await page.getByText(`artefact · ${COMMENT}`).waitFor();
    await page.keyboard.press("n");
    await page.keyboard.press("Enter");
    await page.getByText(`${name}, version 2`).waitFor();
    await test.inspect("judged");
    await findDisputed();

    async function writeDraft() {
      await page.getByText("Disagree").waitFor(); // its key works from then on
      await page.keyboard.press("d");
      await page.getByLabel("Comment").waitFor();
      await page.keyboard.press("t");
      await page.keyboard.type("artefact");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
      await page.keyboard.type(COMMENT);
    }

    /** A draft survives a visit of the worklist and the end of the session. */
    async function returnToDraft() {
      const comment = page.getByLabel("Comment");
      assert.equal(await comment.inputValue(), COMMENT);
      await closeStudy(page);
      await page.goBack();
      await page.getByText("Draft: not saved yet.").waitFor();
      assert.equal(await comment.inputValue(), COMMENT);
      await test.inspect("draft");
      await page.context().clearCookies();
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await page.getByText("Your session has ended").waitFor();
      await test.fillSignIn(task.administrator);
      await page.getByText("Draft: not saved yet.").waitFor();
      assert.equal(await comment.inputValue(), COMMENT);
    }

    async function findDisputed() {
      await closeStudy(page);
      await searchWorklist(page, "");
      await page.getByRole("checkbox", { name: "Disputed" }).check({ force: true });
      await waitForCount(page, 1);
      await page.locator("tr.study .chip.reviewed").waitFor();
    }
  },
  [["/judgements", 401]],
);

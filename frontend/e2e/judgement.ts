// Judgements: opinions before the reading is shown, answers to it with their reason, versions, and
// drafts that are not lost.

import assert from "node:assert/strict";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";
import { closeStudy, openStudy, rowWith, searchWorklist, waitForCount } from "./support/studies.ts";

interface JudgementTask extends Task {
  administrator: Account;
  clinician: Account;
  patient: string;
  /** Another patient, with two studies. */
  other: string;
  /** A patient whose study contradicts another. */
  held: string;
}

const COMMENT = "<img src=x onerror=alert(1)> a tube";

export default defineSpec<JudgementTask>(
  async (test) => {
    const { page, task } = test;
    const { name } = task.administrator;
    await test.begin(task.administrator);
    await openStudy(page, task.patient);
    await page.getByLabel("Open the next study after saving").uncheck();
    await writeDraft();
    await returnToDraft();
    await correctMeanwhile();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText(`${name}, version 1`).waitFor();
    await page.getByText(`artefact · ${COMMENT}`).waitFor();
    await page.keyboard.press("n");
    await page.keyboard.press("Enter");
    await page.getByText(`${name}, version 2`).waitFor();
    await test.inspect("judged");
    await findDisputed();
    await correctPatient();
    await test.signOut();
    await test.signIn(task.clinician);
    await giveOpinion();

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

    /** The open page tells of a correction by somebody else at once, and keeps the draft. */
    async function correctMeanwhile() {
      const status = await page.evaluate(
        async (path) => {
          const { csrf } = await (await fetch("/v1/session")).json();
          const { patient, version } = await (await fetch(path)).json();
          const { id, issuer, name, birth_date, sex } = patient;
          const body = { patient_id: id, patient_id_issuer: issuer, patient_name: name };
          const answer = await fetch(`${path}/patient`, {
            method: "PATCH",
            headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
            body: JSON.stringify({ ...body, version, birth_date, sex, accession: "A-77" }),
          });
          return answer.status;
        },
        `/v1${new URL(page.url()).pathname}`,
      );
      assert.equal(status, 200);
      await page.getByText(`corrected by ${name}: accession number`).waitFor();
      await page.getByText("accession number A-77").waitFor();
      await page.getByText("Draft: not saved yet.").waitFor();
      assert.equal(await page.getByLabel("Comment").inputValue(), COMMENT);
      await test.inspect("corrected-meanwhile");
    }

    /** A held study is shown with its conflict, released, and its image withdrawn and restored. */
    async function correctPatient() {
      await page.getByRole("checkbox", { name: "Disputed" }).uncheck({ force: true });
      await page.keyboard.press("Escape");
      await searchWorklist(page, task.held.split(",")[0] ?? "");
      const row = rowWith(page, task.held);
      await row.locator(".conflict", { hasText: "other studies" }).waitFor();
      await row.locator(".chip", { hasText: /^needs a person$/ }).waitFor();
      await test.inspect("conflict-worklist");
      await row.getByRole("link").click();
      await page.getByText("Needs a person:").waitFor();
      await page.getByText("Correct the patient, or withdraw").click();
      await test.inspect("corrections");
      await page.getByLabel("Correct patient ID").fill("PH-2001");
      await page.getByRole("button", { name: "Save the patient" }).click();
      await page.getByText(/patient ID PH-\d+ → PH-2001/).waitFor();
      assert.equal(await page.getByText("Needs a person:").count(), 0);
      await page.getByRole("button", { name: "Withdraw the image" }).click();
      await page.getByText("All images of this study were withdrawn").waitFor();
      await test.inspect("withdrawn");
      await page.getByRole("button", { name: "Restore" }).click();
      await page.getByText("This radiograph is waiting to be read").waitFor();
    }

    async function findDisputed() {
      await closeStudy(page);
      await searchWorklist(page, "");
      await page.getByRole("radio", { name: "All" }).check({ force: true });
      await page.getByRole("checkbox", { name: "Disputed" }).check({ force: true });
      await waitForCount(page, 1);
      await page.locator("tr.study .chip.reviewed").waitFor();
    }

    /** Nothing of a reading is on the page before the opinion; after the answer the next opens. */
    async function giveOpinion() {
      await searchWorklist(page, task.other);
      await waitForCount(page, 2);
      await page.getByText("longest waiting first, since readings are hidden").waitFor();
      assert.equal(await page.locator("meter").count(), 0);
      await openStudy(page, task.other);
      const address = page.url();
      await page.getByText("Save your own opinion").waitFor();
      const panel = page.locator("aside");
      assert.doesNotMatch((await panel.locator(".reading").textContent()) ?? "", /%/);
      assert.equal(await page.getByRole("button", { name: /Heat map/ }).count(), 0);
      const path = `/v1${new URL(address).pathname}`;
      await page.waitForFunction(
        async ([path, name]) => {
          const { status_text } = await (await fetch(path ?? "")).json();
          return status_text === `in review by ${name}`;
        },
        [path, task.clinician.name],
      );
      await test.inspect("opinion");
      await page.keyboard.press("8");
      await page.keyboard.press("Enter");
      await panel.getByText("judged blind").waitFor();
      await panel.locator(".reading .result strong").waitFor();
      await page.keyboard.press("a");
      await test.inspect("answer");
      await page.keyboard.press("Enter");
      await page.waitForFunction((before) => location.href !== before, address);
      await page.getByText("Save your own opinion").waitFor();
    }
  },
  [
    ["/judgements", 401],
    ["/lease", 401],
  ],
);

// Upload: files and folders, chosen and dropped, until all of them are read.

import assert from "node:assert/strict";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";
import { type Batch, handIn } from "./support/files.ts";

interface Upload extends Task {
  administrator: Account;
  batches: Batch[];
  sites: string[];
  /** The summary that is shown in the end. */
  summary: string;
}

export default defineSpec<Upload>(
  async (test) => {
    const { page, task, results } = test;
    await test.begin(task.administrator);
    await page.getByText("No studies await review").waitFor();
    await page.keyboard.press("u");
    await page.getByRole("heading", { name: "Upload" }).waitFor();
    const site = page.getByLabel("Site");
    for (const name of task.sites) {
      await site.selectOption(name); // waits until it is listed
    }
    assert.deepEqual(await site.locator("option").allTextContents(), task.sites);
    const age = page.getByLabel("Or age in years when it was taken");
    await age.fill("200");
    await page.getByLabel("Files").setInputFiles(task.batches[0]?.paths ?? []);
    await page.getByText("Nothing was uploaded").waitFor();
    assert.equal(await page.locator(".outcomes").count(), 0);
    await age.fill("");
    const birthDate = page.getByLabel("Birth date");
    await birthDate.fill("2999-01-01");
    await page.getByLabel("Files").setInputFiles(task.batches[0]?.paths ?? []);
    await page.getByText("Nothing was uploaded").waitFor();
    await birthDate.fill("");
    const sex = page.getByLabel("Sex");
    await sex.fill("F");
    const patient = page.getByLabel("Patient name");
    await patient.fill("Kim^Tiny");
    await page.getByLabel("Files").setInputFiles(task.batches[0]?.paths ?? []);
    await page.getByText("Are these files of this patient?").waitFor();
    assert.equal(await page.locator(".confirm .patient-name").textContent(), "Kim, Tiny");
    await test.inspect("upload-confirm");
    await page.getByRole("button", { name: "No, send nothing" }).click();
    assert.equal(await page.locator(".outcomes").count(), 0);
    assert.equal(await patient.inputValue(), "Kim^Tiny"); // to be mended
    results.progress = await handIn(page, task.batches);
    assert.equal(await sex.inputValue(), ""); // the next files may be another patient's
    await page.getByText(task.summary).waitFor();
    results.outcomes = await page
      .locator(".outcomes li")
      .evaluateAll((items) =>
        items.map((item) =>
          [".name", ".outcome"].map((part) => item.querySelector(part)?.textContent),
        ),
      );
    await test.inspect("upload");
  },
  [["/v1/readings", 415]],
);

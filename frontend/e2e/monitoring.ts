// Monitoring: alerts and statistics, for administrators and reviewers.

import assert from "node:assert/strict";
import { ROUTES } from "../src/routes.ts";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";

interface MonitoringTask extends Task {
  administrator: Account;
  reviewer: Account;
  clinician: Account;
  /** Name of a site, and its number of images in the last period. */
  site: { name: string; images: string };
  /** Number of images of all sites in the last 7 days. */
  imagesOfWeek: string;
  /** Identity of the second bundle, which has few readings. */
  bundle: string;
}

export default defineSpec<MonitoringTask>(async (test) => {
  const { page, task, results } = test;
  const acknowledged = page.getByText(`acknowledged by ${task.administrator.name}`);
  const acknowledgeButtons = page.getByRole("button", { name: /Acknowledge/ });
  const cells = page.locator(".periods").first().locator("td");

  await test.begin(task.administrator);
  await page.getByRole("link", { name: "Monitoring" }).click();
  await page.getByText("No open alerts.").waitFor();
  await page.getByRole("button", { name: "Check now" }).click();
  const alerts = page.locator(".alerts li");
  await alerts.nth(1).waitFor();
  results.alerts = await alerts.locator("b").allTextContents();
  await acknowledgeButtons.first().click();
  await acknowledged.waitFor();
  assert.equal(await acknowledgeButtons.count(), 1);
  await readStatistics();
  await test.inspect("monitoring");
  await page.getByLabel("6 periods of").selectOption("7 days");
  await cells.getByText(task.imagesOfWeek, { exact: true }).first().waitFor();
  await chooseBundle();
  await test.signOut();

  await test.signIn(task.reviewer);
  await page.getByRole("link", { name: "Monitoring" }).click();
  await acknowledged.waitFor();
  assert.equal(await acknowledgeButtons.count(), 0);
  await chooseSite();
  await test.signOut();

  await test.signIn(task.clinician);
  assert.equal(await page.getByRole("link", { name: "Monitoring" }).count(), 0);
  await test.open(ROUTES.monitoring);
  await page.getByText("This page is for reviewers and administrators").waitFor();

  async function readStatistics() {
    const rowOf = (name: string) =>
      page
        .locator("tr", { has: page.getByRole("rowheader", { name, exact: true }) })
        .locator("td")
        .allTextContents();
    results.brightness = await rowOf("brightness");
    results.refusals = await rowOf("lateral");
    results.corrected = await rowOf("Corrected for verification bias");
    const plot = page.locator(".plot").first();
    const positions = (selector: string, attribute: string) =>
      plot
        .locator(selector)
        .evaluateAll(
          (elements, attribute) =>
            elements.map((element) => Number(element.getAttribute(attribute))),
          attribute,
        );
    results.barPositions = await positions(".series-0 rect", "y");
    results.tickPositions = await positions(".grid", "y1");
    results.ticks = (await plot.locator("g:has(> .grid) text").allTextContents()).map(Number);
    await page.getByText("Table by period").click();
    results.periods = await cells.allTextContents();
  }

  /** Choose the bundle whose drift is shown; the volume stays that of all readings. */
  async function chooseBundle() {
    const choice = page.getByLabel("Drift and agreement of");
    results.bundles = await choice.locator("option").allTextContents();
    await choice.selectOption(task.bundle);
    await page.getByText(`drift and agreement are of ${task.bundle}`).waitFor();
    assert.equal(await page.locator(".shifts").count(), 0);
    await cells.getByText(task.imagesOfWeek, { exact: true }).first().waitFor();
  }

  /** Choose a site, for the statistics and for the report. */
  async function chooseSite() {
    const choice = page.getByRole("combobox", { name: "Site" });
    await page.getByText("Table by period").waitFor();
    results.sites = await choice.locator("option").allTextContents();
    await choice.selectOption(task.site.name);
    await cells.getByText(task.site.images, { exact: true }).first().waitFor({ state: "attached" });
    results.periodsOfSite = await cells.allTextContents();
    const report = page.getByRole("link", { name: "Report as an HTML file" });
    results.report = await report.getAttribute("href");
  }
});

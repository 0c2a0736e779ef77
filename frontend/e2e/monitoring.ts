// Where reviewers and administrators look after the readings. Driven by
// tests/clinic/api/test_monitoring_page.py.

import assert from "node:assert/strict";
import { type Settings, Witness } from "./browser.ts";

interface Account {
  name: string;
  password: string;
}

interface Task extends Settings {
  address: string;
  administrator: Account;
  reviewer: Account;
  clinician: Account;
}

const task = JSON.parse(process.argv[2] ?? "") as Task;
const witness = await Witness.open(task);
const { page } = witness;
const seen: Record<string, string> = {};

await witness.follow(async () => {
  await page.goto(task.address);
  await signIn(task.administrator);
  await page.getByRole("link", { name: "Monitoring" }).click();
  await page.getByText("None stands.").waitFor();
  await page.getByRole("button", { name: "Look now" }).click();
  const alerts = page.locator(".alerts li");
  await alerts.nth(1).waitFor();
  seen.alerts = (await alerts.locator("b").allTextContents()).join(" | ");
  await page
    .getByRole("button", { name: /Acknowledge/ })
    .first()
    .click();
  await page.getByText(`acknowledged by ${task.administrator.name}`).waitFor();
  assert.equal(await page.getByRole("button", { name: /Acknowledge/ }).count(), 1);
  await readFigures();
  await witness.look("monitoring");
  await page.getByLabel("Six windows of").selectOption("7 days");
  await page.locator(".windows").first().getByText("56", { exact: true }).first().waitFor();
  await signOut();

  await signIn(task.reviewer);
  await page.getByRole("link", { name: "Monitoring" }).click();
  await page.getByText(`acknowledged by ${task.administrator.name}`).waitFor();
  assert.equal(await page.getByRole("button", { name: /Acknowledge/ }).count(), 0);
  await chooseSite();
  await signOut();

  await signIn(task.clinician);
  assert.equal(await page.getByRole("link", { name: "Monitoring" }).count(), 0);
  await page.goto(`${task.address}/monitoring`);
  await page.getByText("This page is for reviewers and administrators").waitFor();
}, seen);

async function readFigures() {
  const row = (name: string) =>
    page
      .locator("tr", { has: page.getByRole("rowheader", { name, exact: true }) })
      .locator("td")
      .allTextContents();
  seen.brightness = (await row("brightness")).join(" | ");
  seen.corrected = (await row("Corrected for who was judged")).join(" | ");
  const plot = page.locator(".plot").first();
  const places = (what: string, name: string) =>
    plot
      .locator(what)
      .evaluateAll((all, name) => all.map((one) => Number(one.getAttribute(name))), name);
  seen.bars = JSON.stringify(await places(".series-0 rect", "y"));
  seen.axis = JSON.stringify(await places(".grid", "y1"));
  seen.ticks = JSON.stringify(
    (await plot.locator("g:has(> .grid) text").allTextContents()).map(Number),
  );
  await page.getByText("The figures").first().click();
  seen.windows = (await page.locator(".windows").first().locator("td").allTextContents()).join("|");
}

/** A reviewer looks at one site alone, in the figures and in the page to keep. */
async function chooseSite() {
  const choice = page.getByRole("combobox", { name: "Site" });
  await page.getByText("The figures").first().waitFor();
  seen.sites = (await choice.locator("option").allTextContents()).join("|");
  await choice.selectOption("North, outpatients");
  const cells = page.locator(".windows").first().locator("td");
  await cells.getByText("14", { exact: true }).first().waitFor({ state: "attached" });
  seen["of a site"] = (await cells.allTextContents()).join("|");
  const kept = page.getByRole("link", { name: "The same as a page to keep" });
  seen.report = (await kept.getAttribute("href")) ?? "";
}

async function signIn({ name, password }: Account) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
}

async function signOut() {
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}

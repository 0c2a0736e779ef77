// Administration: users, password links, API tokens and sites.

import assert from "node:assert/strict";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";

interface Administration extends Task {
  administrator: Account;
}

const NEW_USER: Account = { name: "dora", password: "another four words, and an 8" };

export default defineSpec<Administration>(async (test) => {
  const { page, task } = test;
  await test.begin(task.administrator);
  await page.getByRole("link", { name: "Administration" }).click();
  await createUser();
  await createTokens();
  await createSite();
  await page.getByRole("button", { name: "Create password link for dora" }).click();
  const link = (await page.locator(".actions code").textContent()) ?? "";
  await test.inspect("administration");
  await choosePassword(link);
  await page.getByRole("heading", { name: "Worklist" }).waitFor(); // still the administrator
  await test.signOut();
  await test.signIn(NEW_USER);
  assert.equal(await page.getByRole("link", { name: "Administration" }).count(), 0);

  async function createUser() {
    await page.getByLabel("Name", { exact: true }).fill(NEW_USER.name);
    await page.getByRole("button", { name: "Create user" }).click();
    await page.getByRole("rowheader", { name: NEW_USER.name }).waitFor();
  }

  async function createTokens() {
    await page.getByRole("button", { name: "Tokens of dora" }).click();
    await page.getByLabel("Token name").fill("X-ray room");
    await page.getByRole("button", { name: "Create token" }).click();
    assert.match((await page.locator(".tokens code").textContent()) ?? "", /^pns_/);
    await page.getByLabel("Token name").fill("lost");
    await page.getByRole("button", { name: "Create token" }).click();
    await page.getByRole("button", { name: "Revoke lost" }).click();
    await page.getByText("revoked").waitFor();
  }

  async function createSite() {
    await page.getByLabel("Site name").fill("Outpatients");
    await page.getByRole("button", { name: "Create site" }).click();
    await page.getByText("Outpatients", { exact: true }).waitFor();
    const unknownAge = page.getByLabel("Unknown age of patients of Outpatients");
    assert.equal(await unknownAge.inputValue(), "ask");
    await unknownAge.selectOption("adults");
    const timeZone = page.getByLabel("Time zone of Outpatients");
    await timeZone.selectOption("Pacific/Auckland");
    await page.reload();
    await page.waitForFunction(
      () => document.querySelectorAll<HTMLSelectElement>(".sites select").length === 4,
    );
    assert.equal(await unknownAge.inputValue(), "adults");
    assert.equal(await timeZone.inputValue(), "Pacific/Auckland");
  }

  async function choosePassword(link: string) {
    await page.goto(link);
    await page.getByRole("heading", { name: "Choose a password" }).waitFor();
    assert.equal(await page.evaluate(() => location.hash), "", "the token stays in the address");
    await page.getByLabel("New password, at least").fill(NEW_USER.password);
    await page.getByLabel("Repeat the new password").fill(NEW_USER.password);
    await test.inspect("choose-password");
    await page.getByRole("button", { name: "Save password" }).click();
  }
});

// The first start: the setup link, the first administrator, an empty worklist.

import assert from "node:assert/strict";
import { ROUTES } from "../src/routes.ts";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";

interface FirstStart extends Task {
  /** Token of the link that the server prints. */
  setupToken: string;
  administrator: Account;
}

export default defineSpec<FirstStart>(async (test) => {
  const { page, task } = test;
  await test.open(`${ROUTES.firstStart}#${task.setupToken}`);
  await page.getByRole("heading", { name: "First start" }).waitFor();
  assert.equal(await page.evaluate(() => location.hash), "", "the token stays in the address");
  await test.inspect("first-start");
  await page.getByLabel("Name").fill(task.administrator.name);
  await page.getByLabel("New password, at least").fill(task.administrator.password);
  await page.getByLabel("Repeat the new password").fill(task.administrator.password);
  const unknownAge = page.getByLabel("Radiographs of patients of unknown age");
  assert.equal(await unknownAge.inputValue(), "ask");
  await unknownAge.selectOption("children");
  await page.getByRole("button", { name: "Create administrator" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await test.inspect("sign-in");
  await test.signIn(task.administrator);
  await page.getByText("No studies await review").waitFor();
});

// What people do with their own accounts. Driven by tests/clinic/api/test_account_page.py.

import assert from "node:assert/strict";
import { type Settings, Witness } from "./browser.ts";

interface Task extends Settings {
  address: string;
  name: string;
  password: string;
}

const task = JSON.parse(process.argv[2] ?? "") as Task;
const witness = await Witness.open(task);
const { page } = witness;

const NEW = "another horse on the roof";

await witness.follow(async () => {
  await page.goto(task.address);
  await signIn(task.password);
  await page.getByRole("link", { name: task.name }).click();
  await changePassword();
  await endSession();
  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(NEW);
});

async function signIn(password: string) {
  await page.getByLabel("Name").fill(task.name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
}

/** Somebody is signed in elsewhere, and is not any more. */
async function endSession() {
  const elsewhere = { name: task.name, password: NEW };
  const answer = await fetch(`${task.address}/v1/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "User-Agent": "Firefox/145.0 (Windows)" },
    body: JSON.stringify(elsewhere),
  });
  assert.ok(answer.ok, await answer.text());
  await page.reload();
  await page.getByText("This one: Chrome").waitFor();
  await page.getByLabel("Your password, to end").fill(NEW);
  await witness.look("account");
  const firefox = page.getByRole("button", { name: "End the session of Firefox, Windows" });
  await firefox.click();
  await firefox.waitFor({ state: "detached" });
}

async function changePassword() {
  const typed = page.getByLabel("Password, 15");
  await typed.fill(NEW);
  assert.equal(await typed.getAttribute("type"), "password");
  await page.getByRole("button", { name: "Show what is typed: Password, 15" }).click();
  assert.equal(await typed.getAttribute("type"), "text");
  await page.getByLabel("Old password").fill(task.password);
  await page.getByLabel("Password again").fill("something else altogether");
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("The two passwords differ").waitFor();
  await page.getByLabel("Password again").fill(NEW);
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("Saved.").waitFor();
  assert.equal(await typed.inputValue(), "");
}

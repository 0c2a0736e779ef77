// What people do with their own accounts. Driven by tests/clinic/api/test_account_page.py.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
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
  const { secret, recovery } = await setUpSecondFactor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await typePassword(NEW);
  await page.getByLabel("Code of your device").fill(codeOf(secret, 1)); // no code works twice
  await witness.look("sign-in-code");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
  await page.getByRole("link", { name: task.name }).click();
  await endSecondFactor(recovery);
});

async function signIn(password: string) {
  await typePassword(password);
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
}

async function typePassword(password: string) {
  await page.getByLabel("Name").fill(task.name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** What an authenticator app makes of a secret (RFC 6238), so many steps of 30 s from now. */
function codeOf(secret: string, ahead: number): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret]
    .map((one) => alphabet.indexOf(one).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const hash = createHmac("sha1", key).update(step).digest();
  const at = (hash.at(-1) ?? 0) & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function setUpSecondFactor(): Promise<{ secret: string; recovery: string }> {
  await page.getByLabel("Your password, to set one up").fill(NEW);
  await page.getByRole("button", { name: "Set up a second factor" }).click();
  const drawn = page.getByAltText("The secret as a QR code");
  await drawn.waitFor();
  assert.ok(await drawn.evaluate((one) => (one as HTMLImageElement).decode().then(() => true)));
  await witness.look("second-factor");
  const secret = (await page.locator("form code").textContent()) ?? "";
  await page.getByLabel("Code that the app shows").fill(codeOf(secret, 0));
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByText("10 recovery codes are left").waitFor();
  await witness.look("recovery-codes");
  const recovery = (await page.locator(".recovery code").first().textContent()) ?? "";
  return { secret, recovery };
}

async function endSecondFactor(recovery: string) {
  await page.getByText("End it", { exact: true }).click();
  await page.getByLabel("Your password, to end it").fill(NEW);
  await page.getByLabel("Code, or a recovery code").fill(recovery);
  await page.getByRole("button", { name: "Sign in without a second factor" }).click();
  await page.getByRole("button", { name: "Set up a second factor" }).waitFor();
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

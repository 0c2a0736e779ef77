// The account: password, sessions and second factor.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";

interface AccountTask extends Task {
  clinician: Account;
}

const NEW_PASSWORD = "another horse on the roof";

export default defineSpec<AccountTask>(async (test) => {
  const { page, task } = test;
  const { name } = task.clinician;
  const setUp = page.getByRole("button", { name: "Set up a second factor", exact: true });
  await test.begin(task.clinician);
  await page.getByRole("link", { name }).click();
  await changePassword();
  await endOtherSession();
  const { secret, recoveryCode } = await turnOnSecondFactor();
  await test.signOut();
  await test.fillSignIn({ name, password: NEW_PASSWORD });
  // The code of the next 30 seconds, since no code is accepted twice.
  await page.getByLabel("Code of your authenticator app").fill(totp(secret, 1));
  await test.inspect("sign-in-code");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
  await page.getByRole("link", { name }).click();
  await turnOffSecondFactor(recoveryCode);

  async function changePassword() {
    const password = page.getByLabel("New password, at least");
    await password.fill(NEW_PASSWORD);
    assert.equal(await password.getAttribute("type"), "password");
    await page.getByRole("button", { name: "Show New password, at least" }).click();
    assert.equal(await password.getAttribute("type"), "text");
    await page.getByLabel("Current password").fill(task.clinician.password);
    await page.getByLabel("Repeat the new password").fill("something else altogether");
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByText("The two passwords differ").waitFor();
    await page.getByLabel("Repeat the new password").fill(NEW_PASSWORD);
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByText("Password saved.").waitFor();
    assert.equal(await password.inputValue(), "");
  }

  /** Sign in with another browser, and end that session here. */
  async function endOtherSession() {
    const response = await fetch(`${task.address}/v1/session`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "User-Agent": "Firefox/145.0 (Windows)" },
      body: JSON.stringify({ name, password: NEW_PASSWORD }),
    });
    assert.ok(response.ok, await response.text());
    await page.reload();
    await page.getByText("This browser: Chrome").waitFor();
    await page.getByLabel("Password, to end sessions").fill(NEW_PASSWORD);
    await test.inspect("account");
    const firefox = page.getByRole("button", { name: "End session of Firefox, Windows" });
    await firefox.click();
    await firefox.waitFor({ state: "detached" });
  }

  async function turnOnSecondFactor(): Promise<{ secret: string; recoveryCode: string }> {
    await page.getByLabel("Password, to set up a second factor").fill(NEW_PASSWORD);
    await setUp.click();
    const qrCode = page.getByAltText("Secret as a QR code");
    await qrCode.waitFor();
    assert.ok(
      await qrCode.evaluate((image) => (image as HTMLImageElement).decode().then(() => true)),
    );
    await test.inspect("second-factor");
    const secret = (await page.locator("form code").textContent()) ?? "";
    await page.getByLabel("Code of the app").fill(totp(secret, 0));
    await page.getByRole("button", { name: "Turn on" }).click();
    await page.getByText("10 recovery codes are left").waitFor();
    await test.inspect("recovery-codes");
    const recoveryCode = (await page.locator(".recovery-codes code").first().textContent()) ?? "";
    return { secret, recoveryCode };
  }

  async function turnOffSecondFactor(recoveryCode: string) {
    await page.getByText("Turn off", { exact: true }).click();
    await page.getByLabel("Password, to turn the second factor off").fill(NEW_PASSWORD);
    await page.getByLabel("Code of the app, or recovery code").fill(recoveryCode);
    await page.getByRole("button", { name: "Turn off the second factor" }).click();
    await setUp.waitFor();
  }
});

/** Return the code of an authenticator app (RFC 6238), so many steps of 30 seconds from now. */
function totp(secret: string, stepsAhead: number): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret]
    .map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + stepsAhead));
  const hash = createHmac("sha1", key).update(step).digest();
  const offset = (hash.at(-1) ?? 0) & 15;
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

// To the hospital's single sign-on and back. Driven by tests/clinic/api/test_sign_on_browser.py.

import { type Settings, Witness } from "./browser.ts";

const task = JSON.parse(process.argv[2] ?? "") as Settings & { address: string };
const witness = await Witness.open(task);
const { page } = witness;

await witness.follow(async () => {
  await page.goto(`${task.address}/v1/oidc/callback?state=made-up`);
  await page.getByRole("heading", { name: "Not signed in" }).waitFor();
  await witness.look("sign-on-refused");
  await page.getByRole("link", { name: "Continue" }).click();
  const begin = page.getByRole("link", { name: "Sign in with the hospital's account" });
  await begin.waitFor();
  await witness.look("sign-on");
  await begin.click();
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
  await page.getByText("ada").waitFor();
});

// Single sign-on: to the hospital's identity provider and back.

import { defineSpec, type Task } from "./support/browser-test.ts";

interface SingleSignOn extends Task {
  /** Name of the user that the identity provider signs in. */
  user: string;
}

export default defineSpec<SingleSignOn>(
  async (test) => {
    const { page, task } = test;
    await test.open("/v1/oidc/callback?state=made-up");
    await page.getByRole("heading", { name: "Not signed in" }).waitFor();
    await test.inspect("single-sign-on-refused");
    await page.getByRole("link", { name: "Continue" }).click();
    const begin = page.getByRole("link", { name: "Sign in with your hospital account" });
    await begin.waitFor();
    await test.inspect("single-sign-on");
    await begin.click();
    await page.getByRole("heading", { name: "Worklist" }).waitFor();
    await page.getByText(task.user).waitFor();
  },
  [["/v1/oidc/callback", 400]],
);

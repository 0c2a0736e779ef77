// Choosing a password, with the link that an administrator made for an account.

import { useState } from "react";
import { api } from "../api/client.ts";
import { handleSubmit } from "../shell/form.ts";
import { NewPassword, newPassword } from "../shell/password.tsx";
import { useLinkToken } from "./link-token.ts";
import { SignedOutPage } from "./signed-out-page.tsx";

export function ChoosePassword({ done }: { done: () => void }) {
  const token = useLinkToken();
  const [error, setError] = useState("");

  async function submit(content: FormData) {
    try {
      await api.POST("/v1/password", { body: { token, password: newPassword(content) } });
      done();
    } catch (problem) {
      setError((problem as Error).message);
    }
  }

  return (
    <SignedOutPage heading="Choose a password" error={error}>
      <form onSubmit={handleSubmit(submit)}>
        <p>Four or five unrelated words make a good password.</p>
        <NewPassword />
        <button type="submit" className="main">
          Save password
        </button>
      </form>
    </SignedOutPage>
  );
}

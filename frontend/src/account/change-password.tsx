import { useState } from "react";
import { api } from "../api/client.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { handleSubmit, textOf } from "../shell/form.ts";
import { NewPassword, newPassword, Password } from "../shell/password.tsx";

export function ChangePassword({ changed }: { changed: () => void }) {
  const [error, setError] = useState("");
  const [saved, setSaved] = useState(false);

  async function submit(content: FormData, form: HTMLFormElement) {
    setSaved(false);
    try {
      const body = { old: textOf(content, "old"), new: newPassword(content) };
      await api.PUT("/v1/account/password", { body });
      form.reset();
      setError("");
      setSaved(true);
      changed();
    } catch (problem) {
      setError((problem as Error).message);
    }
  }

  return (
    <section aria-labelledby="password">
      <h2 id="password">Password</h2>
      <ErrorMessage error={error} />
      {saved && (
        <p role="status" className="notice">
          Password saved. All your other sessions have been signed out.
        </p>
      )}
      <form onSubmit={handleSubmit(submit)}>
        <Password label="Current password" name="old" autoComplete="current-password" />
        <NewPassword />
        <button type="submit" className="main">
          Change password
        </button>
      </form>
    </section>
  );
}

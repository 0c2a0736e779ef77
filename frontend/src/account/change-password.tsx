import { type FormEvent, useState } from "react";
import * as clinic from "../api/clinic.ts";
import { NewPassword, newPassword, Password } from "../shell/password.tsx";

export function ChangePassword({ changed }: { changed: () => void }) {
  const [error, setError] = useState("");
  const [saved, setSaved] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    setSaved(false);
    try {
      await clinic.changePassword(String(given.get("old")), newPassword(given));
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
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
      {saved && (
        <p role="status" className="notice">
          Saved. You are signed out everywhere else.
        </p>
      )}
      <form onSubmit={submit}>
        <Password label="Old password" name="old" autoComplete="current-password" />
        <NewPassword />
        <button type="submit" className="main">
          Change the password
        </button>
      </form>
    </section>
  );
}

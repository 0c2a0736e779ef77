// The first start: the link that the server printed makes the first administrator.

import { type FormEvent, useState } from "react";
import * as clinic from "../api/clinic.ts";
import { NewPassword, newPassword } from "../shell/password.tsx";
import { Entrance } from "./entrance.tsx";
import { useToken } from "./token.ts";

export function SetUp({ done }: { done: () => void }) {
  const token = useToken();
  const [error, setError] = useState("");

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    try {
      await clinic.setUp(
        token || String(given.get("token")),
        String(given.get("name")),
        newPassword(given),
      );
      done();
    } catch (problem) {
      setError((problem as Error).message);
    }
  }

  return (
    <Entrance heading="Set up" error={error}>
      <form onSubmit={submit}>
        <p>Make the first administrator, who then makes accounts for all others.</p>
        {token === "" && (
          <label>
            Token that the server printed
            <input name="token" required autoComplete="off" />
          </label>
        )}
        <label>
          Name
          <input name="name" required autoComplete="username" maxLength={100} />
        </label>
        <NewPassword />
        <button type="submit" className="main">
          Make the administrator
        </button>
      </form>
    </Entrance>
  );
}

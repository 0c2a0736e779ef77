// The first start: the link that the server printed makes the first administrator.

import { type FormEvent, useEffect, useState } from "react";
import * as clinic from "../api/clinic.ts";
import { Entrance } from "./entrance.tsx";

/** The token stands after the `#`, which browsers send to no server; it leaves the address too. */
const TOKEN = location.pathname === "/setup" ? location.hash.slice(1) : "";

export function SetUp({ done }: { done: () => void }) {
  const [token, setToken] = useState(TOKEN);
  const [error, setError] = useState("");

  useEffect(() => history.replaceState(null, "", "/setup"), []);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const password = String(given.get("password"));
    if (password !== given.get("again")) {
      setError("The two passwords differ; type them again.");
      return;
    }
    try {
      await clinic.setUp(token, String(given.get("name")), password);
      done();
    } catch (problem) {
      setError((problem as Error).message);
    }
  }

  return (
    <Entrance heading="Set up" error={error}>
      <form onSubmit={submit}>
        <p>Make the first administrator, who then makes accounts for all others.</p>
        {TOKEN === "" && (
          <label>
            Token that the server printed
            <input
              name="token"
              required
              value={token}
              autoComplete="off"
              onChange={(event) => setToken(event.target.value)}
            />
          </label>
        )}
        <label>
          Name
          <input name="name" required autoComplete="username" maxLength={100} />
        </label>
        <label>
          Password, 15 characters or more
          <input
            name="password"
            type="password"
            required
            minLength={15}
            autoComplete="new-password"
          />
        </label>
        <label>
          Password again
          <input name="again" type="password" required autoComplete="new-password" />
        </label>
        <button type="submit" className="main">
          Make the administrator
        </button>
      </form>
    </Entrance>
  );
}

// The link that an administrator handed over: whoever has it chooses the account's password.

import { type FormEvent, useState } from "react";
import * as clinic from "../api/clinic.ts";
import { NewPassword, newPassword } from "../shell/password.tsx";
import { Entrance } from "./entrance.tsx";
import { useToken } from "./token.ts";

export function ChoosePassword({ done }: { done: () => void }) {
  const token = useToken();
  const [error, setError] = useState("");

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    try {
      await clinic.choosePassword(token, newPassword(new FormData(event.currentTarget)));
      done();
    } catch (problem) {
      setError((problem as Error).message);
    }
  }

  return (
    <Entrance heading="Choose a password" error={error}>
      <form onSubmit={submit}>
        <p>Four or five words that have nothing to do with each other are a good one.</p>
        <NewPassword />
        <button type="submit" className="main">
          Save the password
        </button>
      </form>
    </Entrance>
  );
}

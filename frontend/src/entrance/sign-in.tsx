import { type FormEvent, useState } from "react";
import * as clinic from "../api/clinic.ts";
import { Problem } from "../api/http.ts";
import type { SignedIn } from "../api/types.ts";
import { Password } from "../shell/password.tsx";
import { SecondFactorCode } from "../shell/second-factor-code.tsx";
import { useLoaded } from "../shell/use-loaded.ts";
import { Entrance } from "./entrance.tsx";

interface Props {
  notice: string;
  entered: (who: SignedIn) => void;
}

export function SignIn({ notice, entered }: Props) {
  const [error, setError] = useState("");
  const [asked, setAsked] = useState(false);
  const { value: single } = useLoaded(clinic.singleSignOn);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const code = asked ? String(given.get("code")) : null;
    try {
      entered(await clinic.signIn(String(given.get("name")), String(given.get("password")), code));
    } catch (problem) {
      const asks = problem instanceof Problem && problem.body.second_factor === true;
      setAsked(asked || asks);
      setError(asks ? "" : (problem as Error).message);
    }
  }

  return (
    <Entrance heading="Sign in" error={error || notice}>
      {single?.offered && (
        <>
          <a className="button main" href="/v1/oidc/login">
            Sign in with the hospital's account
          </a>
          <p className="small">Or with a name and a password of this server:</p>
        </>
      )}
      <form onSubmit={submit}>
        <label>
          Name
          <input name="name" required autoComplete="username" />
        </label>
        <Password label="Password" name="password" autoComplete="current-password" />
        {asked && <SecondFactorCode label="Code of your device, or a recovery code" />}
        <button type="submit" className="main">
          Sign in
        </button>
      </form>
    </Entrance>
  );
}

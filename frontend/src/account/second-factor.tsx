import { useState } from "react";
import { useAction } from "../administration/use-action.ts";
import * as clinic from "../api/clinic.ts";
import type { Account, Secret } from "../api/types.ts";
import { submitting } from "../shell/form.ts";
import { Password } from "../shell/password.tsx";
import { SecondFactorCode } from "../shell/second-factor-code.tsx";
import { Enrolment } from "./enrolment.tsx";

interface Props {
  account: Account;
  changed: () => void;
}

/** An authenticator app whose codes are asked for besides the password. */
export function SecondFactor({ account, changed }: Props) {
  const [error, act] = useAction(changed);
  const [secret, setSecret] = useState<Secret>();
  const [codes, setCodes] = useState<string[]>();

  const begin = (form: FormData) =>
    act(async () => setSecret(await clinic.beginSecondFactor(String(form.get("password")))));
  const confirm = (form: FormData) =>
    act(async () => {
      const confirmed = await clinic.confirmSecondFactor(String(form.get("code")));
      setCodes(confirmed.recovery_codes);
      setSecret(undefined);
    });
  const end = (form: FormData) =>
    act(async () => {
      await clinic.endSecondFactor(String(form.get("password")), String(form.get("code")));
      setCodes(undefined);
    });

  return (
    <section aria-labelledby="second-factor">
      <h2 id="second-factor">Second factor</h2>
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
      {codes && <RecoveryCodes codes={codes} />}
      {account.second_factor ? (
        <End left={account.recovery_codes} submit={end} />
      ) : secret ? (
        <Enrolment secret={secret} submit={confirm} />
      ) : (
        <Begin submit={begin} />
      )}
    </section>
  );
}

type Submit = { submit: (form: FormData) => void };

function Begin({ submit }: Submit) {
  return (
    <form onSubmit={submitting(submit)}>
      <p>An authenticator app on your phone makes codes, which are asked for at each sign-in.</p>
      <Password
        label="Your password, to set one up"
        name="password"
        autoComplete="current-password"
      />
      <button type="submit">Set up a second factor</button>
    </form>
  );
}

function End({ left, submit }: Submit & { left: number }) {
  return (
    <>
      <p>A code is asked for at each sign-in. {left} recovery codes are left.</p>
      <details>
        <summary>End it</summary>
        <form onSubmit={submitting(submit)}>
          <Password
            label="Your password, to end it"
            name="password"
            autoComplete="current-password"
          />
          <SecondFactorCode label="Code, or a recovery code" />
          <button type="submit">Sign in without a second factor from now on</button>
        </form>
      </details>
    </>
  );
}

function RecoveryCodes({ codes }: { codes: string[] }) {
  return (
    <div role="status" className="notice">
      <p>
        Shown this once: keep these recovery codes where your phone is not. Each works once instead
        of a code of the app.
      </p>
      <ul className="recovery">
        {codes.map((one) => (
          <li key={one}>
            <code>{one}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}

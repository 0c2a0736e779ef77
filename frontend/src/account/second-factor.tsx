import { useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { Account, SecondFactorSetup as Setup } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { handleSubmit, textOf } from "../shell/form.ts";
import { Password } from "../shell/password.tsx";
import { SecondFactorCode } from "../shell/second-factor-code.tsx";
import { useAction } from "../shell/use-action.ts";
import { SecondFactorSetup } from "./second-factor-setup.tsx";

interface Props {
  account: Account;
  changed: () => void;
}

/** The second factor: codes of an authenticator app (TOTP), and recovery codes. */
export function SecondFactor({ account, changed }: Props) {
  const [error, run] = useAction(changed);
  const [setup, setSetup] = useState<Setup>();
  const [recoveryCodes, setRecoveryCodes] = useState<string[]>();

  const begin = (content: FormData) =>
    run(async () => {
      const body = { password: textOf(content, "password") };
      setSetup(await unwrap(api.POST("/v1/account/second-factor", { body })));
    });
  const confirm = (content: FormData) =>
    run(async () => {
      const body = { code: textOf(content, "code") };
      const confirmed = await unwrap(api.PUT("/v1/account/second-factor", { body }));
      setRecoveryCodes(confirmed.recovery_codes);
      setSetup(undefined);
    });
  const turnOff = (content: FormData) =>
    run(async () => {
      const body = { password: textOf(content, "password"), code: textOf(content, "code") };
      await api.POST("/v1/account/second-factor/end", { body });
      setRecoveryCodes(undefined);
    });

  return (
    <section aria-labelledby="second-factor">
      <h2 id="second-factor">Second factor</h2>
      <ErrorMessage error={error} />
      {recoveryCodes && <RecoveryCodes codes={recoveryCodes} />}
      {account.second_factor ? (
        <TurnOff recoveryCodesLeft={account.recovery_codes} submit={turnOff} />
      ) : setup ? (
        <SecondFactorSetup setup={setup} submit={confirm} />
      ) : (
        <TurnOn submit={begin} />
      )}
    </section>
  );
}

interface FormProps {
  submit: (content: FormData) => void;
}

function TurnOn({ submit }: FormProps) {
  return (
    <form onSubmit={handleSubmit(submit)}>
      <p>Once set up, each sign-in also needs a code of an authenticator app on your phone.</p>
      <Password
        label="Password, to set up a second factor"
        name="password"
        autoComplete="current-password"
      />
      <button type="submit">Set up a second factor</button>
    </form>
  );
}

function TurnOff({ recoveryCodesLeft, submit }: FormProps & { recoveryCodesLeft: number }) {
  return (
    <>
      <p>
        On: each sign-in needs a code of your authenticator app. {recoveryCodesLeft} recovery codes
        are left.
      </p>
      <details>
        <summary>Turn off</summary>
        <form onSubmit={handleSubmit(submit)}>
          <Password
            label="Password, to turn the second factor off"
            name="password"
            autoComplete="current-password"
          />
          <SecondFactorCode label="Code of the app, or recovery code" />
          <button type="submit">Turn off the second factor</button>
        </form>
      </details>
    </>
  );
}

function RecoveryCodes({ codes }: { codes: string[] }) {
  return (
    <div role="status" className="notice">
      <p>
        Save these recovery codes now, away from your phone; they are not shown again. Each works
        once in the place of a code of the app.
      </p>
      <ul className="recovery-codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}

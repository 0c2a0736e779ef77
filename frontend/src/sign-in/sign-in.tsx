import { useState } from "react";
import { ApiError, api, unwrap } from "../api/client.ts";
import type { paths, Session } from "../api/schema.d.ts";
import { handleSubmit, textOf } from "../shell/form.ts";
import { Password } from "../shell/password.tsx";
import { SecondFactorCode } from "../shell/second-factor-code.tsx";
import { useRequest } from "../shell/use-request.ts";
import { SignedOutPage } from "./signed-out-page.tsx";

const SINGLE_SIGN_ON: keyof paths = "/v1/oidc/login";

interface Props {
  notice: string;
  signedIn: (session: Session) => void;
}

export function SignIn({ notice, signedIn }: Props) {
  const [error, setError] = useState("");
  const [needsCode, setNeedsCode] = useState(false);
  const { value: singleSignOn } = useRequest(() => unwrap(api.GET("/v1/oidc")));

  async function submit(content: FormData) {
    const body = {
      name: textOf(content, "name"),
      password: textOf(content, "password"),
      code: needsCode ? textOf(content, "code") : null,
    };
    try {
      signedIn(await unwrap(api.POST("/v1/session", { body })));
    } catch (problem) {
      const asksForCode = problem instanceof ApiError && problem.problem.second_factor === true;
      setNeedsCode(needsCode || asksForCode);
      setError(asksForCode ? "" : (problem as Error).message);
    }
  }

  return (
    <SignedOutPage heading="Sign in" error={error || notice}>
      {singleSignOn?.offered && (
        <>
          <a className="button main" href={SINGLE_SIGN_ON}>
            Sign in with your hospital account
          </a>
          <p className="small">Or with the name and password of an account on this server:</p>
        </>
      )}
      <form onSubmit={handleSubmit(submit)}>
        <label>
          Name
          <input name="name" required autoComplete="username" />
        </label>
        <Password label="Password" name="password" autoComplete="current-password" />
        {needsCode && <SecondFactorCode label="Code of your authenticator app, or recovery code" />}
        <button type="submit" className="main">
          Sign in
        </button>
      </form>
    </SignedOutPage>
  );
}

// The signed-in user's own account.

import { api, unwrap } from "../api/client.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { usePageTitle } from "../shell/use-page-title.ts";
import { useRequest } from "../shell/use-request.ts";
import "../style/account.css";
import { ChangePassword } from "./change-password.tsx";
import { SecondFactor } from "./second-factor.tsx";
import { Sessions } from "./sessions.tsx";

export default function AccountPage() {
  usePageTitle("Account");
  const { value: account, error, reload } = useRequest(() => unwrap(api.GET("/v1/account")));
  return (
    <main id="main" tabIndex={-1} className="account sections">
      <h1>Account{account && ` of ${account.name}`}</h1>
      <ErrorMessage error={error} />
      {account?.has_password && <ChangePassword changed={reload} />}
      {account && !account.has_password && (
        <p>You sign in with your hospital account; its password is changed there.</p>
      )}
      {account?.has_password && <SecondFactor account={account} changed={reload} />}
      {account && <Sessions account={account} changed={reload} />}
    </main>
  );
}

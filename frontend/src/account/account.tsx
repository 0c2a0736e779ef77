// What people do with their own accounts.

import * as clinic from "../api/clinic.ts";
import { useLoaded } from "../shell/use-loaded.ts";
import { usePage } from "../shell/use-page.ts";
import "../style/account.css";
import { ChangePassword } from "./change-password.tsx";
import { SecondFactor } from "./second-factor.tsx";
import { Sessions } from "./sessions.tsx";

export default function AccountPage() {
  usePage("Account");
  const { value: account, error, reload } = useLoaded(clinic.account);
  return (
    <main id="main" tabIndex={-1} className="account sections">
      <h1>Account{account && ` of ${account.name}`}</h1>
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
      {account?.has_password && <ChangePassword changed={reload} />}
      {account && !account.has_password && (
        <p>You sign in by the hospital's account, which has its own password.</p>
      )}
      {account?.has_password && <SecondFactor account={account} changed={reload} />}
      {account && <Sessions account={account} changed={reload} />}
    </main>
  );
}

// What people do with their own accounts.

import * as clinic from "../api/clinic.ts";
import { useLoaded } from "../shell/use-loaded.ts";
import { usePage } from "../shell/use-page.ts";
import "../style/account.css";
import { ChangePassword } from "./change-password.tsx";

export default function AccountPage() {
  usePage("Account");
  const { value: account, error } = useLoaded(clinic.account);
  return (
    <main id="main" className="account sections">
      <h1>Account{account && ` of ${account.name}`}</h1>
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
      {account?.has_password && <ChangePassword />}
      {account && !account.has_password && (
        <p>You sign in by the hospital's account, which has its own password.</p>
      )}
    </main>
  );
}

// What administrators do: users, their tokens, and sites.

import type { SignedIn } from "../api/types.ts";
import { usePage } from "../shell/use-page.ts";
import "../style/administration.css";
import { Sites } from "./sites.tsx";
import { Users } from "./users.tsx";

export default function Administration({ who }: { who: SignedIn }) {
  usePage("Administration");
  return (
    <main id="main" tabIndex={-1} className="administration sections">
      <h1>Administration</h1>
      {who.role === "administrator" ? (
        <>
          <Users who={who} />
          <Sites />
        </>
      ) : (
        <p className="empty">This page is for administrators.</p>
      )}
    </main>
  );
}

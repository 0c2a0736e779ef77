// Users with their API tokens, and sites; for administrators.

import type { Session } from "../api/schema.d.ts";
import { usePageTitle } from "../shell/use-page-title.ts";
import "../style/administration.css";
import { Sites } from "./sites.tsx";
import { Users } from "./users.tsx";

export default function Administration({ session }: { session: Session }) {
  usePageTitle("Administration");
  return (
    <main id="main" tabIndex={-1} className="administration sections">
      <h1>Administration</h1>
      {session.role === "administrator" ? (
        <>
          <Users session={session} />
          <Sites />
        </>
      ) : (
        <p className="empty">This page is for administrators.</p>
      )}
    </main>
  );
}

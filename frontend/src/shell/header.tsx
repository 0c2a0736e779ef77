import type { Session } from "../api/schema.d.ts";
import { ROUTES } from "../routes.ts";
import { KeyboardHelp, useKeys } from "./keyboard.tsx";
import { Link, navigate } from "./router.tsx";

interface Page {
  path: string;
  name: string;
  /** Roles that may see the page; everyone if omitted. */
  roles?: Session["role"][];
}

const PAGES: Page[] = [
  { path: ROUTES.worklist, name: "Worklist" },
  { path: ROUTES.upload, name: "Upload" },
  { path: ROUTES.monitoring, name: "Monitoring", roles: ["reviewer", "administrator"] },
  { path: ROUTES.administration, name: "Administration", roles: ["administrator"] },
];

interface Props {
  session: Session;
  path: string;
  signOut: () => void;
}

export function Header({ session, path, signOut }: Props) {
  const pages = PAGES.filter(({ roles }) => roles?.includes(session.role) ?? true);
  const current = (page: string) => (path === page ? "page" : undefined);
  useKeys("Everywhere", [
    ...pages.map(({ path, name }, index) => ({
      keys: [String(index + 1)],
      description: `open ${name.toLowerCase()}`,
      action: () => navigate(path),
    })),
    { keys: ["Q"], description: "sign out", action: signOut },
  ]);
  return (
    <header className="bar">
      <Link href={ROUTES.worklist} className="brand" aria-label="pneumoscope: open the worklist">
        pneumoscope
      </Link>
      <nav aria-label="Pages">
        {pages.map(({ path, name }) => (
          <Link key={path} href={path} aria-current={current(path)}>
            {name}
          </Link>
        ))}
      </nav>
      <p className="user">
        <Link href={ROUTES.account} aria-current={current(ROUTES.account)}>
          {session.name}
        </Link>{" "}
        <small>{session.role}</small>
      </p>
      <KeyboardHelp />
      <button type="button" className="quiet" onClick={signOut}>
        Sign out
      </button>
    </header>
  );
}

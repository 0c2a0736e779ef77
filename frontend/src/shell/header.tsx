import type { SignedIn } from "../api/types.ts";
import { KeyHelp, useKeys } from "./keys.tsx";
import { go, Link } from "./router.tsx";

interface Place {
  href: string;
  name: string;
  roles?: string[];
}

/** Where one can go; a page that not everyone may see names the roles that may. */
const PLACES: Place[] = [
  { href: "/", name: "Worklist" },
  { href: "/upload", name: "Upload" },
  { href: "/monitoring", name: "Monitoring", roles: ["reviewer", "administrator"] },
  { href: "/administration", name: "Administration", roles: ["administrator"] },
];

interface Props {
  who: SignedIn;
  path: string;
  signOut: () => void;
}

export function Header({ who, path, signOut }: Props) {
  const places = PLACES.filter((one) => one.roles?.includes(who.role) ?? true);
  useKeys("Everywhere", [
    ...places.map(({ href, name }, at) => ({
      keys: [String(at + 1)],
      does: name.toLowerCase(),
      action: () => go(href),
    })),
    { keys: ["Q"], does: "sign out", action: signOut },
  ]);
  return (
    <header className="bar">
      <Link href="/" className="mark" aria-label="pneumoscope: to the worklist">
        pneumoscope
      </Link>
      <nav aria-label="Pages">
        {places.map((one) => (
          <Link
            key={one.href}
            href={one.href}
            aria-current={path === one.href ? "page" : undefined}
          >
            {one.name}
          </Link>
        ))}
      </nav>
      <p className="who">
        <Link href="/account" aria-current={path === "/account" ? "page" : undefined}>
          {who.name}
        </Link>{" "}
        <small>{who.role}</small>
      </p>
      <KeyHelp />
      <button type="button" className="quiet" onClick={signOut}>
        Sign out
      </button>
    </header>
  );
}

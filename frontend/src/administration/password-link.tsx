import { useState } from "react";
import * as clinic from "../api/clinic.ts";
import type { PasswordLink as Link, User } from "../api/types.ts";
import { moment } from "../shell/format.ts";

interface Props {
  user: User;
  act: (action: () => Promise<unknown>) => void;
}

/** Makes the link with which a user chooses a password, which nobody else ever knows. */
export function PasswordLink({ user, act }: Props) {
  const [link, setLink] = useState<Link>();
  return (
    <>
      <button
        type="button"
        onClick={() => act(async () => setLink(await clinic.makePasswordLink(user.id)))}
      >
        {user.has_password ? "New password link" : "Password link"}
        <span className="hidden"> for {user.name}</span>
      </button>
      {link && (
        <p className="notice" role="status">
          Shown this once, works once, until {moment(link.expires)}; hand it to {user.name}:{" "}
          <code>{`${location.origin}/password#${link.token}`}</code>
        </p>
      )}
    </>
  );
}

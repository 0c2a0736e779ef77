import { useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { PasswordLink as Link, User } from "../api/schema.d.ts";
import { ROUTES } from "../routes.ts";
import { formatTime } from "../shell/format.ts";

interface Props {
  user: User;
  run: (action: () => Promise<unknown>) => void;
}

/** Creates the link with which a user chooses a password that nobody else ever knows. */
export function PasswordLink({ user, run }: Props) {
  const [link, setLink] = useState<Link>();
  const create = () =>
    run(async () => {
      const params = { path: { user_id: user.id } };
      setLink(await unwrap(api.POST("/v1/users/{user_id}/password-link", { params })));
    });
  return (
    <>
      <button type="button" onClick={create}>
        {user.has_password ? "Create reset link" : "Create password link"}
        <span className="hidden"> for {user.name}</span>
      </button>
      {link && (
        <p className="notice" role="status">
          Give this link to {user.name}. It works once, until {formatTime(link.expires)}, and is not
          shown again: <code>{`${location.origin}${ROUTES.choosePassword}#${link.token}`}</code>
        </p>
      )}
    </>
  );
}

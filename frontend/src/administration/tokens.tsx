import { type FormEvent, useCallback, useState } from "react";
import * as clinic from "../api/clinic.ts";
import type { Token, User } from "../api/types.ts";
import { moment } from "../shell/format.ts";
import { useLoaded } from "../shell/use-loaded.ts";
import { useAction } from "./use-action.ts";

export function Tokens({ user }: { user: User }) {
  const { value: tokens, reload } = useLoaded(useCallback(() => clinic.tokens(user.id), [user.id]));
  const [error, act] = useAction(reload);
  const [issued, setIssued] = useState<Token>();

  function issue(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    act(async () => {
      const days = Number(given.get("days"));
      setIssued(await clinic.issueToken(user.id, String(given.get("name")), days));
      form.reset();
    });
  }

  return (
    <div className="tokens">
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
      {issued?.token && (
        <p className="notice" role="status">
          Shown this once; copy it now: <code>{issued.token}</code>
        </p>
      )}
      <ul>
        {tokens?.map((one) => (
          <li key={one.id}>
            <b>{one.name}</b> {told(one)}
            {one.revoked === null && (
              <button type="button" onClick={() => act(() => clinic.revokeToken(one.id))}>
                Revoke<span className="hidden"> {one.name}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      {user.active && (
        <form className="make" onSubmit={issue}>
          <label>
            Name of the token <input name="name" required maxLength={100} autoComplete="off" />
          </label>
          <label>
            Days <input name="days" type="number" min={1} max={366} defaultValue={90} />
          </label>
          <button type="submit">Issue a token</button>
        </form>
      )}
    </div>
  );
}

function told({ revoked, expires }: Token): string {
  if (revoked !== null) {
    return `revoked ${moment(revoked)}`;
  }
  return expires === null ? "" : `until ${moment(expires)}`;
}

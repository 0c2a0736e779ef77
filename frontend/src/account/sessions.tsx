import { type FormEvent, useRef } from "react";
import { useAction } from "../administration/use-action.ts";
import * as clinic from "../api/clinic.ts";
import type { Account, Session } from "../api/types.ts";
import { browserName, moment } from "../shell/format.ts";
import { Password } from "../shell/password.tsx";

interface Props {
  account: Account;
  changed: () => void;
}

/** Where one is signed in; each can be ended from here. */
export function Sessions({ account, changed }: Props) {
  const [error, act] = useAction(changed);
  const form = useRef<HTMLFormElement>(null);

  function end(session: string | null) {
    if (!form.current?.reportValidity()) {
      return;
    }
    const typed = new FormData(form.current).get("password");
    act(async () => {
      await clinic.endSessions(session, typed === null ? null : String(typed));
      form.current?.reset();
    });
  }

  function endOthers(event: FormEvent) {
    event.preventDefault();
    end(null);
  }

  return (
    <section aria-labelledby="sessions">
      <h2 id="sessions">Sessions</h2>
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
      <ul className="sessions">
        {account.sessions.map((one) => (
          <OneSession key={one.id} session={one} end={() => end(one.id)} />
        ))}
      </ul>
      {account.sessions.length > 1 && (
        <form ref={form} onSubmit={endOthers}>
          {account.has_password && (
            <Password
              label="Your password, to end sessions"
              name="password"
              autoComplete="current-password"
            />
          )}
          <button type="submit">End all others</button>
        </form>
      )}
    </section>
  );
}

function OneSession({ session, end }: { session: Session; end: () => void }) {
  const name = browserName(session.agent);
  return (
    <li>
      <p>
        <b>{session.current ? `This one: ${name}` : name}</b>
        <small>
          from {session.address ?? "an unknown address"}, since {moment(session.opened)}, last used{" "}
          {moment(session.last_seen)}
        </small>
      </p>
      {!session.current && (
        <button type="button" onClick={end}>
          End<span className="hidden"> the session of {name}</span>
        </button>
      )}
    </li>
  );
}

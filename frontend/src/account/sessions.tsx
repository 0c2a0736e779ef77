import { type FormEvent, useRef } from "react";
import { api } from "../api/client.ts";
import type { Account, BrowserSession } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { textOf } from "../shell/form.ts";
import { browserName, formatTime } from "../shell/format.ts";
import { Password } from "../shell/password.tsx";
import { useAction } from "../shell/use-action.ts";

interface Props {
  account: Account;
  changed: () => void;
}

/** The browsers in which the account is signed in; each session can be ended. */
export function Sessions({ account, changed }: Props) {
  const [error, run] = useAction(changed);
  const form = useRef<HTMLFormElement>(null);

  /** End a session, or all others if it is null. */
  function end(session: string | null) {
    if (!form.current?.reportValidity()) {
      return;
    }
    const content = new FormData(form.current);
    const password = account.has_password ? textOf(content, "password") : null;
    run(async () => {
      await api.POST("/v1/account/sessions/end", { body: { session, password } });
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
      <ErrorMessage error={error} />
      <ul className="sessions">
        {account.sessions.map((session) => (
          <SessionItem key={session.id} session={session} end={() => end(session.id)} />
        ))}
      </ul>
      {account.sessions.length > 1 && (
        <form ref={form} onSubmit={endOthers}>
          {account.has_password && (
            <Password
              label="Password, to end sessions"
              name="password"
              autoComplete="current-password"
            />
          )}
          <button type="submit">End all other sessions</button>
        </form>
      )}
    </section>
  );
}

function SessionItem({ session, end }: { session: BrowserSession; end: () => void }) {
  const name = browserName(session.agent);
  return (
    <li>
      <p>
        <b>{session.current ? `This browser: ${name}` : name}</b>
        <small>
          from {session.address ?? "an unknown address"}, since {formatTime(session.opened)}, last
          used {formatTime(session.last_seen)}
        </small>
      </p>
      {!session.current && (
        <button type="button" onClick={end}>
          End session<span className="hidden"> of {name}</span>
        </button>
      )}
    </li>
  );
}

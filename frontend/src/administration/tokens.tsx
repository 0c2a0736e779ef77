import { useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { Token, User } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { handleSubmit, textOf } from "../shell/form.ts";
import { formatTime } from "../shell/format.ts";
import { useAction } from "../shell/use-action.ts";
import { useRequest } from "../shell/use-request.ts";

/** The API tokens of a user. */
export function Tokens({ user }: { user: User }) {
  const params = { path: { user_id: user.id } };
  const {
    value: tokens,
    error: loadError,
    reload,
  } = useRequest(
    () => unwrap(api.GET("/v1/users/{user_id}/tokens", { params: { path: { user_id: user.id } } })),
    [user.id],
  );
  const [error, run] = useAction(reload);
  const [created, setCreated] = useState<Token>();

  const create = (content: FormData, form: HTMLFormElement) =>
    run(async () => {
      const body = { name: textOf(content, "name"), days: Number(content.get("days")) };
      setCreated(await unwrap(api.POST("/v1/users/{user_id}/tokens", { params, body })));
      form.reset();
    });
  const revoke = (id: string) =>
    run(() => api.DELETE("/v1/tokens/{token_id}", { params: { path: { token_id: id } } }));

  return (
    <div className="tokens">
      <ErrorMessage error={loadError || error} />
      {created?.token && (
        <p className="notice" role="status">
          Copy this token now; it is not shown again: <code>{created.token}</code>
        </p>
      )}
      <ul>
        {tokens?.map((token) => (
          <li key={token.id}>
            <b>{token.name}</b> {validity(token)}
            {token.revoked === null && (
              <button type="button" onClick={() => revoke(token.id)}>
                Revoke<span className="hidden"> {token.name}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      {user.active && (
        <form className="create" onSubmit={handleSubmit(create)}>
          <label>
            Token name <input name="name" required maxLength={100} autoComplete="off" />
          </label>
          <label>
            Valid for days <input name="days" type="number" min={1} max={366} defaultValue={90} />
          </label>
          <button type="submit">Create token</button>
        </form>
      )}
    </div>
  );
}

function validity({ revoked, expires }: Token): string {
  if (revoked !== null) {
    return `revoked ${formatTime(revoked)}`;
  }
  return expires === null ? "" : `valid until ${formatTime(expires)}`;
}

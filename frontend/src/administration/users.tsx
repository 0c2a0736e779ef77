import { useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { Role, Session, User } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { handleSubmit, textOf } from "../shell/form.ts";
import { useAction } from "../shell/use-action.ts";
import { useRequest } from "../shell/use-request.ts";
import { PasswordLink } from "./password-link.tsx";
import { Tokens } from "./tokens.tsx";

const ROLES: Role[] = ["clinician", "reviewer", "administrator", "service"];

export function Users({ session }: { session: Session }) {
  const { value: users, error: loadError, reload } = useRequest(() => unwrap(api.GET("/v1/users")));
  const [error, run] = useAction(reload);
  const [shownTokens, setShownTokens] = useState<string>(); // of which user

  const create = (content: FormData, form: HTMLFormElement) =>
    run(async () => {
      const body = { name: textOf(content, "name"), role: textOf(content, "role") as Role };
      await api.POST("/v1/users", { body });
      form.reset();
    });

  return (
    <section aria-labelledby="users">
      <h2 id="users">Users</h2>
      <ErrorMessage error={loadError || error} />
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Role</th>
            <th scope="col">Account</th>
            <th scope="col">API tokens</th>
          </tr>
        </thead>
        <tbody>
          {users?.map((user) => (
            <UserRows
              key={user.id}
              user={user}
              isSelf={user.name === session.name}
              run={run}
              open={shownTokens === user.id}
              toggle={() => setShownTokens(shownTokens === user.id ? undefined : user.id)}
            />
          ))}
        </tbody>
      </table>
      <form className="create" onSubmit={handleSubmit(create)}>
        <label>
          Name <input name="name" required maxLength={100} autoComplete="off" />
        </label>
        <label>
          Role
          <select name="role">
            <RoleOptions />
          </select>
        </label>
        <button type="submit" className="main">
          Create user
        </button>
        <p className="small">
          Users choose their password with a link that you give them. A service (a device or a
          program) signs in with an API token.
        </p>
      </form>
    </section>
  );
}

function RoleOptions() {
  return ROLES.map((role) => <option key={role}>{role}</option>);
}

interface ActionProps {
  user: User;
  isSelf: boolean;
  run: (action: () => Promise<unknown>) => void;
}

interface RowProps extends ActionProps {
  open: boolean;
  toggle: () => void;
}

function UserRows({ user, isSelf, run, open, toggle }: RowProps) {
  const params = { path: { user_id: user.id } };
  const changeRole = (role: Role) =>
    run(() => api.PATCH("/v1/users/{user_id}", { params, body: { role } }));
  return (
    <>
      <tr className={user.active ? "" : "deactivated"}>
        <th scope="row">{user.name}</th>
        <td>
          <select
            aria-label={`Role of ${user.name}`}
            value={user.role}
            disabled={!user.active || isSelf}
            onChange={(event) => changeRole(event.target.value as Role)}
          >
            <RoleOptions />
          </select>
        </td>
        <td>{user.active ? <Actions user={user} isSelf={isSelf} run={run} /> : "deactivated"}</td>
        <td>
          <button type="button" aria-expanded={open} onClick={toggle}>
            Tokens<span className="hidden"> of {user.name}</span>
          </button>
        </td>
      </tr>
      {open && (
        <tr>
          <td colSpan={4}>
            <Tokens user={user} />
          </td>
        </tr>
      )}
    </>
  );
}

function Actions({ user, isSelf, run }: ActionProps) {
  const params = { path: { user_id: user.id } };
  function deactivate() {
    if (confirm(`Deactivate the account of ${user.name}? This cannot be undone.`)) {
      run(() => api.PATCH("/v1/users/{user_id}", { params, body: { active: false } }));
    }
  }
  function resetSecondFactor() {
    const question = `Reset the second factor of ${user.name}? First make sure who asks for it.`;
    if (confirm(question)) {
      run(() => api.DELETE("/v1/users/{user_id}/second-factor", { params }));
    }
  }
  return (
    <div className="actions">
      {user.role !== "service" && <PasswordLink user={user} run={run} />}
      {user.second_factor && (
        <button type="button" onClick={resetSecondFactor}>
          Reset second factor<span className="hidden"> of {user.name}</span>
        </button>
      )}
      {!isSelf && (
        <button type="button" onClick={deactivate}>
          Deactivate<span className="hidden"> {user.name}</span>
        </button>
      )}
    </div>
  );
}

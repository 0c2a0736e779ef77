import { type FormEvent, useState } from "react";
import * as clinic from "../api/clinic.ts";
import type { Role, SignedIn, User } from "../api/types.ts";
import { useLoaded } from "../shell/use-loaded.ts";
import { PasswordLink } from "./password-link.tsx";
import { Tokens } from "./tokens.tsx";
import { useAction } from "./use-action.ts";

const ROLES: Role[] = ["clinician", "reviewer", "administrator", "service"];

export function Users({ who }: { who: SignedIn }) {
  const { value: users, error: failed, reload } = useLoaded(clinic.users);
  const [error, act] = useAction(reload);
  const [open, setOpen] = useState<string>();

  function make(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    act(async () => {
      await clinic.makeUser(String(given.get("name")), given.get("role") as Role);
      form.reset();
    });
  }

  return (
    <section aria-labelledby="users">
      <h2 id="users">Users</h2>
      {(failed || error) && (
        <p role="alert" className="problem">
          {failed || error}
        </p>
      )}
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
            <UserRow
              key={user.id}
              user={user}
              self={user.name === who.name}
              act={act}
              open={open === user.id}
              toggle={() => setOpen(open === user.id ? undefined : user.id)}
            />
          ))}
        </tbody>
      </table>
      <form className="make" onSubmit={make}>
        <label>
          Name <input name="name" required maxLength={100} autoComplete="off" />
        </label>
        <label>
          Role
          <select name="role">
            {ROLES.map((role) => (
              <option key={role}>{role}</option>
            ))}
          </select>
        </label>
        <button type="submit" className="main">
          Make the user
        </button>
        <p className="small">
          People choose a password with a link that you hand over; a service, such as a device,
          signs in by token.
        </p>
      </form>
    </section>
  );
}

interface RowProps {
  user: User;
  self: boolean;
  act: (action: () => Promise<unknown>) => void;
  open: boolean;
  toggle: () => void;
}

function UserRow({ user, self, act, open, toggle }: RowProps) {
  function deactivate() {
    if (confirm(`Deactivate the account of ${user.name}? It cannot be given back.`)) {
      act(() => clinic.changeUser(user.id, { active: false }));
    }
  }
  function reset() {
    if (confirm(`Have ${user.name} sign in without a second factor? Be sure who asks for it.`)) {
      act(() => clinic.resetSecondFactor(user.id));
    }
  }
  return (
    <>
      <tr className={user.active ? "" : "gone"}>
        <th scope="row">{user.name}</th>
        <td>
          <select
            aria-label={`Role of ${user.name}`}
            value={user.role}
            disabled={!user.active || self}
            onChange={(event) => {
              const role = event.target.value as Role;
              act(() => clinic.changeUser(user.id, { role }));
            }}
          >
            {ROLES.map((role) => (
              <option key={role}>{role}</option>
            ))}
          </select>
        </td>
        <td>
          {user.active ? (
            <div className="actions">
              {user.role !== "service" && <PasswordLink user={user} act={act} />}
              {user.second_factor && (
                <button type="button" onClick={reset}>
                  Reset second factor<span className="hidden"> of {user.name}</span>
                </button>
              )}
              {!self && (
                <button type="button" onClick={deactivate}>
                  Deactivate
                </button>
              )}
            </div>
          ) : (
            "deactivated"
          )}
        </td>
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

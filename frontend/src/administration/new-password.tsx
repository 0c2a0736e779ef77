import { type FormEvent, useId, useRef } from "react";
import * as clinic from "../api/clinic.ts";
import type { User } from "../api/types.ts";

interface Props {
  user: User;
  act: (action: () => Promise<unknown>) => void;
}

export function NewPassword({ user, act }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();

  function save(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const password = String(new FormData(form).get("password"));
    form.reset();
    dialog.current?.close();
    act(() => clinic.changeUser(user.id, { password }));
  }

  return (
    <>
      <button type="button" onClick={() => dialog.current?.showModal()}>
        New password<span className="hidden"> of {user.name}</span>
      </button>
      <dialog ref={dialog} aria-labelledby={heading}>
        <h2 id={heading}>A new password of {user.name}</h2>
        <form className="make" onSubmit={save}>
          <label>
            15 characters or more
            <input
              name="password"
              type="password"
              required
              minLength={15}
              maxLength={256}
              autoComplete="new-password"
            />
          </label>
          <button type="submit" className="main">
            Save
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </form>
      </dialog>
    </>
  );
}

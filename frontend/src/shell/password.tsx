import { useId, useState } from "react";
import { textOf } from "./form.ts";

interface Props {
  label: string;
  name: string;
  autoComplete: "current-password" | "new-password";
}

/** A password field whose content can be shown while it is typed. */
export function Password({ label, name, autoComplete }: Props) {
  const id = useId();
  const [shown, setShown] = useState(false);
  return (
    <div className="password">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        name={name}
        type={shown ? "text" : "password"}
        required
        minLength={autoComplete === "new-password" ? 15 : undefined}
        autoComplete={autoComplete}
        autoCapitalize="none"
        spellCheck={false}
      />
      <button type="button" aria-pressed={shown} onClick={() => setShown(!shown)}>
        Show<span className="hidden"> {label}</span>
      </button>
    </div>
  );
}

/** A new password, typed twice. */
export function NewPassword() {
  return (
    <>
      <Password
        label="New password, at least 15 characters"
        name="password"
        autoComplete="new-password"
      />
      <Password label="Repeat the new password" name="repeated" autoComplete="new-password" />
    </>
  );
}

/** Return the password that was typed into `NewPassword`; throw an error if the two differ. */
export function newPassword(content: FormData): string {
  const password = textOf(content, "password");
  if (password !== textOf(content, "repeated")) {
    throw new Error("The two passwords differ; type them again.");
  }
  return password;
}

import { useId, useState } from "react";

interface Props {
  label: string;
  name: string;
  autoComplete: "current-password" | "new-password";
}

/** A password, which can be looked at while it is typed. */
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
        Show<span className="hidden"> what is typed: {label}</span>
      </button>
    </div>
  );
}

/** A new password, typed twice. */
export function NewPassword() {
  return (
    <>
      <Password
        label="Password, 15 characters or more"
        name="password"
        autoComplete="new-password"
      />
      <Password label="Password again" name="again" autoComplete="new-password" />
    </>
  );
}

/** What was typed into `NewPassword`; an error if it differs. */
export function newPassword(form: FormData): string {
  const password = String(form.get("password"));
  if (password !== form.get("again")) {
    throw new Error("The two passwords differ; type them again.");
  }
  return password;
}

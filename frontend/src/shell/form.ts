import type { FormEvent } from "react";

/** Give what was typed into a form to an action, instead of to the browser. */
export function submitting(action: (form: FormData) => void) {
  return (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    action(new FormData(event.currentTarget));
  };
}

import type { FormEvent } from "react";

/** Handle the submission of a form with its content, in the place of the browser. */
export function handleSubmit(action: (content: FormData, form: HTMLFormElement) => void) {
  return (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    action(new FormData(event.currentTarget), event.currentTarget);
  };
}

/** Return what was typed into a field of a form. */
export function textOf(content: FormData, name: string): string {
  return String(content.get(name) ?? "");
}

// Keys: each page says which it knows, and `?` shows those of the moment.

import { useEffect, useRef, useState } from "react";

export interface Key {
  /** As `KeyboardEvent.key` has them. */
  keys: string[];
  does: string;
  action: () => void;
}

let current: Key[][] = [];

function inField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !["radio", "checkbox", "range"].includes(target.type))
  );
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
    return;
  }
  if (inField(event.target)) {
    if (event.key === "Escape") {
      event.preventDefault(); // browsers would empty a search
      (event.target as HTMLElement).blur();
    }
    return;
  }
  const key = current.flat().find((one) => one.keys.includes(event.key));
  // Arrows move a slider or a choice that has the focus.
  const arrow = event.key.startsWith("Arrow") && event.target instanceof HTMLInputElement;
  if (key && !arrow) {
    event.preventDefault();
    key.action();
  }
});

/** Let the page know some keys as long as it is shown. */
export function useKeys(keys: Key[]): void {
  useEffect(() => {
    current = [...current, keys];
    return () => {
      current = current.filter((one) => one !== keys);
    };
  });
}

const NAMES: Record<string, string> = { ArrowDown: "↓", ArrowUp: "↑", Enter: "⏎" };

export function KeyHelp() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [shown, setShown] = useState<Key[]>([]);
  function open() {
    setShown(current.flat());
    dialog.current?.showModal();
  }
  useKeys([{ keys: ["?"], does: "show the keys", action: open }]);
  return (
    <>
      <button type="button" className="quiet" onClick={open} aria-label="Show the keys">
        <kbd>?</kbd>
      </button>
      <dialog ref={dialog} aria-labelledby="keys-heading">
        <h2 id="keys-heading">Keys</h2>
        <dl className="keys">
          {shown.map((one) => (
            <div key={one.keys.join()}>
              <dt>
                {one.keys.map((key) => (
                  <kbd key={key}>{NAMES[key] ?? key}</kbd>
                ))}
              </dt>
              <dd>{one.does}</dd>
            </div>
          ))}
        </dl>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </>
  );
}

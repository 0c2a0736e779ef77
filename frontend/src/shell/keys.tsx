// Keys: each page says which it knows, and `?` shows those of the moment.

import { useEffect, useRef, useState } from "react";

export interface Key {
  /** As `KeyboardEvent.key` has them. */
  keys: string[];
  does: string;
  /** Is given the one that was pressed. */
  action: (key: string) => void;
}

/** What keys belong to, as they are shown. */
const PARTS = [
  "Worklist",
  "Filters",
  "Study",
  "View",
  "Judgement",
  "Upload",
  "Everywhere",
] as const;
export type Part = (typeof PARTS)[number];

interface Known {
  part: Part;
  keys: Key[];
}

let current: Known[] = [];

/** Kept by the browser: whoever dictates would press keys by every word (WCAG 2.1.4). */
const KEPT = "keys of one character";
let singleKeys = localStorage.getItem(KEPT) !== "off";

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
  if (!singleKeys && event.key.length === 1) {
    return;
  }
  const key = current.flatMap(({ keys }) => keys).find((one) => one.keys.includes(event.key));
  // Arrows move a slider or a choice that has the focus.
  const arrow = event.key.startsWith("Arrow") && event.target instanceof HTMLInputElement;
  if (key && !arrow) {
    event.preventDefault();
    key.action(event.key);
  }
});

/** Let the page know some keys as long as it is shown. */
export function useKeys(part: Part, keys: Key[]): void {
  const known = useRef<Known>({ part, keys });
  useEffect(() => {
    known.current.keys = keys;
  });
  useEffect(() => {
    const mine = known.current;
    current = [...current, mine];
    return () => {
      current = current.filter((one) => one !== mine);
    };
  }, []);
}

/** What browsers do by themselves, to be told with the rest. */
const OF_BROWSERS: Omit<Key, "action">[] = [
  { keys: ["Tab"], does: "to the next link, button or field; Enter or space uses it" },
  { keys: ["Escape"], does: "out of a field" },
];

const NAMES: Record<string, string> = {
  ArrowDown: "↓",
  ArrowUp: "↑",
  ArrowLeft: "←",
  ArrowRight: "→",
  Enter: "⏎",
  Escape: "Esc",
};

export function KeyHelp() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [shown, setShown] = useState<Known[]>([]);
  function open() {
    setShown(current);
    dialog.current?.showModal();
  }
  useKeys("Everywhere", [{ keys: ["?"], does: "show the keys", action: open }]);
  return (
    <>
      <button type="button" className="quiet" onClick={open} aria-label="Show the keys">
        <kbd>?</kbd>
      </button>
      <dialog ref={dialog} className="help" aria-labelledby="keys-heading">
        <h2 id="keys-heading">Keys</h2>
        <div className="parts">
          {PARTS.map((part) => (
            <KeysOf key={part} part={part} known={shown} />
          ))}
        </div>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
        <SingleKeys />
      </dialog>
    </>
  );
}

function SingleKeys() {
  const [on, setOn] = useState(singleKeys);
  function turn(to: boolean) {
    singleKeys = to;
    localStorage.setItem(KEPT, to ? "on" : "off");
    setOn(to);
  }
  return (
    <label className="switch">
      <input type="checkbox" checked={on} onChange={(event) => turn(event.target.checked)} />
      <span>
        Keys of one character act, in this browser. Turn them off if you dictate: words would press
        them.
      </span>
    </label>
  );
}

function KeysOf({ part, known }: { part: Part; known: Known[] }) {
  const keys = [
    ...known.filter((one) => one.part === part).flatMap((one) => one.keys),
    ...(part === "Everywhere" ? OF_BROWSERS : []),
  ];
  return (
    keys.length > 0 && (
      <section>
        <h3>{part}</h3>
        <dl className="keys">
          {keys.map((one) => (
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
      </section>
    )
  );
}

// Keyboard shortcuts: each page registers its own, and `?` shows those that work at the moment.

import { useEffect, useRef, useState } from "react";

export interface Shortcut {
  /** Values of `KeyboardEvent.key`. */
  keys: string[];
  description: string;
  /** Called with the key that was pressed. */
  action: (key: string) => void;
}

/** Groups of shortcuts, in the order in which they are shown. */
const GROUPS = [
  "Worklist",
  "Filters",
  "Study",
  "View",
  "Judgement",
  "Upload",
  "Everywhere",
] as const;
export type Group = (typeof GROUPS)[number];

interface Registration {
  group: Group;
  shortcuts: Shortcut[];
}

let registrations: Registration[] = [];

/** Setting of this browser: speech input would press keys with every word (WCAG 2.1.4). */
const SINGLE_KEYS = "keys of one character"; // browsers keep it under this name since 0.1.0
let singleKeys = localStorage.getItem(SINGLE_KEYS) !== "off";

function acceptsText(target: EventTarget | null): boolean {
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
  if (acceptsText(event.target)) {
    if (event.key === "Escape") {
      event.preventDefault(); // browsers would empty a search field
      (event.target as HTMLElement).blur();
    }
    return;
  }
  if (!singleKeys && event.key.length === 1) {
    return;
  }
  const shortcut = registrations
    .flatMap(({ shortcuts }) => shortcuts)
    .find(({ keys }) => keys.includes(event.key));
  // Arrow keys move a slider or a choice that has the focus.
  const isFieldArrow = event.key.startsWith("Arrow") && event.target instanceof HTMLInputElement;
  if (shortcut && !isFieldArrow) {
    event.preventDefault();
    shortcut.action(event.key);
  }
});

/** Register shortcuts for as long as the component is shown. */
export function useKeys(group: Group, shortcuts: Shortcut[]): void {
  const registration = useRef<Registration>({ group, shortcuts });
  useEffect(() => {
    registration.current.shortcuts = shortcuts;
  });
  useEffect(() => {
    const own = registration.current;
    registrations = [...registrations, own];
    return () => {
      registrations = registrations.filter((other) => other !== own);
    };
  }, []);
}

/** Shortcuts that browsers have themselves. */
const BROWSER_SHORTCUTS: Omit<Shortcut, "action">[] = [
  { keys: ["Tab"], description: "next link, button or field; Enter or Space activates it" },
  { keys: ["Escape"], description: "leave a field" },
];

const SYMBOLS: Record<string, string> = {
  ArrowDown: "↓",
  ArrowUp: "↑",
  ArrowLeft: "←",
  ArrowRight: "→",
  Enter: "⏎",
  Escape: "Esc",
};

export function KeyboardHelp() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [shown, setShown] = useState<Registration[]>([]);
  function open() {
    setShown(registrations);
    dialog.current?.showModal();
  }
  useKeys("Everywhere", [{ keys: ["?"], description: "keyboard shortcuts", action: open }]);
  return (
    <>
      <button type="button" className="quiet" onClick={open} aria-label="Keyboard shortcuts">
        <kbd>?</kbd>
      </button>
      <dialog ref={dialog} className="help" aria-labelledby="keyboard-help-heading">
        <h2 id="keyboard-help-heading">Keyboard shortcuts</h2>
        <div className="groups">
          {GROUPS.map((group) => (
            <GroupHelp key={group} group={group} registrations={shown} />
          ))}
        </div>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
        <SingleKeySwitch />
      </dialog>
    </>
  );
}

function SingleKeySwitch() {
  const [on, setOn] = useState(singleKeys);
  function turn(to: boolean) {
    singleKeys = to;
    localStorage.setItem(SINGLE_KEYS, to ? "on" : "off");
    setOn(to);
  }
  return (
    <label className="switch">
      <input type="checkbox" checked={on} onChange={(event) => turn(event.target.checked)} />
      <span>
        Use single-key shortcuts in this browser. Turn them off if you use speech input, which would
        press them.
      </span>
    </label>
  );
}

function GroupHelp({ group, registrations }: { group: Group; registrations: Registration[] }) {
  const shortcuts = [
    ...registrations.filter((own) => own.group === group).flatMap((own) => own.shortcuts),
    ...(group === "Everywhere" ? BROWSER_SHORTCUTS : []),
  ];
  return (
    shortcuts.length > 0 && (
      <section>
        <h3>{group}</h3>
        <dl className="keys">
          {shortcuts.map(({ keys, description }) => (
            <div key={keys.join()}>
              <dt>
                {keys.map((key) => (
                  <kbd key={key}>{SYMBOLS[key] ?? key}</kbd>
                ))}
              </dt>
              <dd>{description}</dd>
            </div>
          ))}
        </dl>
      </section>
    )
  );
}

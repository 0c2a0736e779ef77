import { useEffect, useRef, useState } from "react";
import type { Search, StudyStatus } from "../api/types.ts";
import { useKeys } from "../shell/keys.tsx";

const STATUSES: [StudyStatus | null, string][] = [
  [null, "All"],
  ["new", "New"],
  ["read", "Read"],
  ["reviewed", "Reviewed"],
];

const PAUSE = 250; // after the last letter, before it is searched for

interface Props {
  search: Search;
  change: (search: Search) => void;
}

export function Filters({ search, change }: Props) {
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(search.text ?? "");

  useEffect(() => {
    const wanted = text.trim() || null;
    if (wanted === search.text) {
      return;
    }
    const timer = setTimeout(() => change({ ...search, text: wanted }), PAUSE);
    return () => clearTimeout(timer);
  }, [text, search, change]);

  function nextStatus() {
    const at = STATUSES.findIndex(([status]) => status === search.status);
    change({ ...search, status: STATUSES[(at + 1) % STATUSES.length]?.[0] ?? null });
  }

  useKeys("Filters", [
    { keys: ["/"], does: "search", action: () => field.current?.focus() },
    { keys: ["s"], does: "next status: all, new, read, reviewed", action: nextStatus },
    {
      keys: ["x"],
      does: "only rejected, or all",
      action: () => change({ ...search, rejected: !search.rejected }),
    },
    {
      keys: ["d"],
      does: "only disputed, or all",
      action: () => change({ ...search, disputed: !search.disputed }),
    },
  ]);

  return (
    <search>
      <form className="filters" onSubmit={(event) => event.preventDefault()}>
        <input
          ref={field}
          type="search"
          value={text}
          maxLength={64}
          placeholder="Patient or accession"
          aria-label="Search by patient or accession"
          autoComplete="off"
          onChange={(event) => setText(event.target.value)}
        />
        <fieldset className="choice">
          <legend>Status</legend>
          {STATUSES.map(([status, name]) => (
            <label key={name}>
              <input
                type="radio"
                name="status"
                checked={search.status === status}
                onChange={() => change({ ...search, status })}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
        <fieldset className="choice">
          <legend>Only</legend>
          <label>
            <input
              type="checkbox"
              checked={search.rejected}
              onChange={(event) => change({ ...search, rejected: event.target.checked })}
            />
            <span>Rejected</span>
          </label>
          <label>
            <input
              type="checkbox"
              checked={search.disputed}
              onChange={(event) => change({ ...search, disputed: event.target.checked })}
            />
            <span>Disputed</span>
          </label>
        </fieldset>
      </form>
    </search>
  );
}

import { useEffect, useRef, useState } from "react";
import type { Site } from "../api/schema.d.ts";
import { useKeys } from "../shell/keyboard.tsx";
import type { Filter } from "./navigation.ts";

const STATUSES: [Filter["status"], string][] = [
  ["awaiting review", "Awaiting review"],
  ["reviewed", "Reviewed"],
  [null, "All"],
];

const SORTS: [NonNullable<Filter["sort"]>, string][] = [
  ["urgency", "urgency"],
  ["study date", "study date"],
  ["arrival", "arrival"],
];

const TYPING_PAUSE_MS = 250; // after the last letter, before searching

interface Props {
  filter: Filter;
  sites: Site[];
  change: (filter: Filter) => void;
}

export function Filters({ filter, sites, change }: Props) {
  const searchField = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(filter.text ?? "");
  const [isWide] = useState(() => matchMedia("(width > 60rem)").matches);

  useEffect(() => {
    const typed = text.trim() || null;
    if (typed === filter.text) {
      return;
    }
    const timer = setTimeout(() => change({ ...filter, text: typed }), TYPING_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, filter, change]);

  function nextStatus() {
    const index = STATUSES.findIndex(([status]) => status === filter.status);
    change({ ...filter, status: STATUSES[(index + 1) % STATUSES.length]?.[0] ?? null });
  }

  useKeys("Filters", [
    { keys: ["/"], description: "search", action: () => searchField.current?.focus() },
    { keys: ["s"], description: "next status: awaiting review, reviewed, all", action: nextStatus },
    {
      keys: ["x"],
      description: "only not read, or all",
      action: () => change({ ...filter, unread: !filter.unread }),
    },
    {
      keys: ["d"],
      description: "only disputed, or all",
      action: () => change({ ...filter, disputed: !filter.disputed }),
    },
  ]);

  return (
    <search>
      <form className="filters" onSubmit={(event) => event.preventDefault()}>
        <input
          ref={searchField}
          type="search"
          value={text}
          maxLength={64}
          placeholder="Name, patient ID or accession number"
          aria-label="Search by name, patient ID or accession number"
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
                checked={filter.status === status}
                onChange={() => change({ ...filter, status })}
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
              checked={filter.unread}
              onChange={(event) => change({ ...filter, unread: event.target.checked })}
            />
            <span>Not read</span>
          </label>
          <label>
            <input
              type="checkbox"
              checked={filter.disputed}
              onChange={(event) => change({ ...filter, disputed: event.target.checked })}
            />
            <span>Disputed</span>
          </label>
        </fieldset>
        <details className="more" open={isWide}>
          <summary>Dates and order</summary>
          {sites.length > 1 && (
            <label>
              Site
              <select
                value={filter.site ?? ""}
                onChange={(event) => change({ ...filter, site: event.target.value || null })}
              >
                <option value="">all</option>
                {sites.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          )}
          <label>
            Studies from
            <input
              type="date"
              value={filter.first_date ?? ""}
              onChange={(event) => change({ ...filter, first_date: event.target.value || null })}
            />
          </label>
          <label>
            to
            <input
              type="date"
              value={filter.last_date ?? ""}
              onChange={(event) => change({ ...filter, last_date: event.target.value || null })}
            />
          </label>
          <label>
            Sort by
            <select
              value={filter.sort}
              onChange={(event) =>
                change({ ...filter, sort: event.target.value as Filter["sort"] })
              }
            >
              {SORTS.map(([sort, name]) => (
                <option key={sort} value={sort}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </details>
      </form>
    </search>
  );
}

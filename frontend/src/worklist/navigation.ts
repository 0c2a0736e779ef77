// The last search, the order of the studies and the last opened study: for the way back from a study
// and on to its neighbours. Searches may name patients, so all of it is forgotten at sign-out.

import type { StudySearch } from "../api/schema.d.ts";

/** What the worklist can be filtered and sorted by. */
export type Filter = Required<Omit<StudySearch, "cursor" | "limit">>;

/** The list at the beginning: what awaits review, by urgency. */
export const NO_FILTER: Filter = {
  status: "awaiting review",
  unread: false,
  disputed: false,
  text: null,
  site: null,
  sort: "urgency",
  first_date: null,
  last_date: null,
};

let filter = NO_FILTER;
let order: string[] = [];
let opened: string | undefined;

export function lastFilter(): Filter {
  return filter;
}

export function rememberFilter(used: Filter): void {
  filter = used;
}

/** Remember the identifiers of the listed studies, in their order. */
export function rememberOrder(ids: string[]): void {
  order = ids;
}

/** Return the identifier of the study that many places below another. */
export function neighbourOf(id: string, step: number): string | undefined {
  const index = order.indexOf(id);
  return index < 0 ? undefined : order[index + step];
}

export function rememberOpened(id: string): void {
  opened = id;
}

export function lastOpened(): string | undefined {
  return opened;
}

export function forgetNavigation(): void {
  filter = NO_FILTER;
  order = [];
  opened = undefined;
}

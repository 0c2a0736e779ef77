// What was listed and opened last, so that one comes back from a study to the same list and place in
// it, and goes from a study to the next. It names patients, and is forgotten when somebody signs out.

import type { Search } from "../api/types.ts";

export const EVERYTHING: Search = { status: null, rejected: false, disputed: false, text: null };

let search = EVERYTHING;
let order: string[] = [];
let opened: string | undefined;

export function lastSearch(): Search {
  return search;
}

export function rememberSearch(asked: Search): void {
  search = asked;
}

export function rememberOrder(ids: string[]): void {
  order = ids;
}

export function neighbour(id: string, step: number): string | undefined {
  const at = order.indexOf(id);
  return at < 0 ? undefined : order[at + step];
}

export function rememberOpened(id: string): void {
  opened = id;
}

export function lastOpened(): string | undefined {
  return opened;
}

export function forgetWorklist(): void {
  search = EVERYTHING;
  order = [];
  opened = undefined;
}

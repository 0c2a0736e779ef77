// The order in which studies were last listed, so that one goes from a study to the next.

let order: string[] = [];

export function rememberOrder(ids: string[]): void {
  order = ids;
}

export function neighbour(id: string, step: number): string | undefined {
  const at = order.indexOf(id);
  return at < 0 ? undefined : order[at + step];
}

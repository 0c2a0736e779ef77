// How a batch of files is cut into requests, and how an answer is told apart into files.

import type { Accepted, Image } from "../api/types.ts";

export const MOST_FILES = 20;
export const MOST_BYTES = 100_000_000;

/** Cut files into parts of at most so many files and bytes, in their order. */
export function parts<T extends { size: number }>(
  files: T[],
  most = MOST_FILES,
  bytes = MOST_BYTES,
): T[][] {
  const cut: T[][] = [];
  let room = 0;
  for (const file of files) {
    const part = cut.at(-1);
    if (part && part.length < most && file.size <= room) {
      part.push(file);
      room -= file.size;
    } else {
      cut.push([file]);
      room = bytes - file.size;
    }
  }
  return cut;
}

/** How much of each file was sent, 0 to 1, when so large a share of all has: they go in their order. */
export function shares(sizes: number[], all: number): number[] {
  let left = all * sizes.reduce((sum, size) => sum + size, 0);
  return sizes.map((size) => {
    const share = Math.min(1, Math.max(0, left / Math.max(1, size)));
    left -= size;
    return share;
  });
}

export type Outcome = { image: Image } | { refused: string };

/** What became of each of so many files: the accepted come in the order in which they were sent. */
export function outcomes(
  count: number,
  { images, refused }: Pick<Accepted, "images" | "refused">,
): Outcome[] {
  const reasons = new Map(refused.map((one) => [one.place, one.reason]));
  const accepted = [...images];
  return Array.from({ length: count }, (_, place) => {
    const reason = reasons.get(place);
    const image = reason === undefined ? accepted.shift() : undefined;
    return image ? { image } : { refused: reason ?? "the server did not say what became of it" };
  });
}

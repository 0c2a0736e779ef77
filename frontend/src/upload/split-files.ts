// Splitting files into requests, and the answer to a request back into its files.

import type { Image, Submission } from "../api/schema.d.ts";

export const MAX_FILES_PER_REQUEST = 20;
export const MAX_BYTES_PER_REQUEST = 100_000_000;

/** Split files into requests, in their order; a file that is larger than a request goes alone. */
export function splitFiles<T extends { size: number }>(
  files: T[],
  maxFiles = MAX_FILES_PER_REQUEST,
  maxBytes = MAX_BYTES_PER_REQUEST,
): T[][] {
  const requests: T[][] = [];
  let bytesLeft = 0;
  for (const file of files) {
    const request = requests.at(-1);
    if (request && request.length < maxFiles && file.size <= bytesLeft) {
      request.push(file);
      bytesLeft -= file.size;
    } else {
      requests.push([file]);
      bytesLeft = maxBytes - file.size;
    }
  }
  return requests;
}

/** Return the sent share of each file, 0 to 1, from that of their request: they are sent in order. */
export function sentShares(sizes: number[], requestShare: number): number[] {
  let bytesLeft = requestShare * sizes.reduce((sum, size) => sum + size, 0);
  return sizes.map((size) => {
    const share = Math.min(1, Math.max(0, bytesLeft / Math.max(1, size)));
    bytesLeft -= size;
    return share;
  });
}

export type Outcome = { image: Image; alreadyHere: boolean } | { refused: string };

/** Return the outcome of each file of a request; images are listed in the order of their files. */
export function outcomesOf(
  fileCount: number,
  { images, refused, already_here }: Omit<Submission, "job">,
): Outcome[] {
  const reasons = new Map(refused.map(({ place, reason }) => [place, reason]));
  const accepted = [...images];
  return Array.from({ length: fileCount }, (_, place) => {
    const reason = reasons.get(place);
    const image = reason === undefined ? accepted.shift() : undefined;
    return image
      ? { image, alreadyHere: already_here.includes(place) }
      : { refused: reason ?? "the server's answer does not mention it; send it again" };
  });
}

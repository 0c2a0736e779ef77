// Judgements that are not saved yet, in memory: whoever looks at another study, or is signed out for
// want of use, finds them again, and nobody else does.

import type { Opinion } from "../api/types.ts";

const drafts = new Map<string, Opinion>();
let author: string | undefined;

/** Say who is signed in: another one's drafts are forgotten. */
export function draftsAreOf(name: string): void {
  if (name !== author) {
    forgetDrafts();
  }
  author = name;
}

export function draftOf(image: string): Opinion | undefined {
  return drafts.get(image);
}

export function keepDraft(image: string, opinion: Opinion): void {
  drafts.set(image, opinion);
}

export function dropDraft(image: string): void {
  drafts.delete(image);
}

export function forgetDrafts(): void {
  drafts.clear();
}

export function hasDrafts(): boolean {
  return drafts.size > 0;
}

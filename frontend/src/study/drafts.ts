// Judgements that are not saved yet, kept in memory: they are there again after a look at another
// study or after an idle timeout, but only for the person who wrote them.

import type { NewJudgement } from "../api/schema.d.ts";

/** A judgement without the version of the study, which is that shown when it is saved. */
export type JudgementDraft = Omit<NewJudgement, "study_version">;

const drafts = new Map<string, JudgementDraft>();
let author: string | undefined;

/** Set who is signed in; the drafts of anybody else are forgotten. */
export function setDraftAuthor(name: string): void {
  if (name !== author) {
    forgetDrafts();
  }
  author = name;
}

export function getDraft(image: string): JudgementDraft | undefined {
  return drafts.get(image);
}

export function keepDraft(image: string, judgement: JudgementDraft): void {
  drafts.set(image, judgement);
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

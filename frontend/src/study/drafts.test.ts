import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import {
  dropDraft,
  forgetDrafts,
  getDraft,
  hasDrafts,
  keepDraft,
  setDraftAuthor,
} from "./drafts.ts";

const JUDGEMENT = { answer: "disagree", truth: null, reason: null, text: "a tube" } as const;

beforeEach(() => {
  setDraftAuthor("nobody yet");
  setDraftAuthor("anna");
  keepDraft("1", JUDGEMENT);
  keepDraft("2", { ...JUDGEMENT, text: null });
});

test("the author finds the drafts after signing in again", () => {
  setDraftAuthor("anna");
  assert.deepEqual(getDraft("1"), JUDGEMENT);
});

test("another user finds none", () => {
  setDraftAuthor("berta");
  assert.equal(getDraft("1"), undefined);
  setDraftAuthor("anna");
  assert.equal(hasDrafts(), false);
});

test("a saved judgement is no draft any more", () => {
  dropDraft("1");
  assert.equal(getDraft("1"), undefined);
  assert.equal(hasDrafts(), true);
  dropDraft("2");
  assert.equal(hasDrafts(), false);
});

test("signing out forgets the drafts", () => {
  forgetDrafts();
  setDraftAuthor("anna");
  assert.equal(hasDrafts(), false);
});

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { draftOf, draftsAreOf, dropDraft, forgetDrafts, hasDrafts, keepDraft } from "./drafts.ts";

const OPINION = { answer: "disagree", truth: null, reason: null, text: "a tube" } as const;

beforeEach(() => {
  draftsAreOf("nobody yet");
  draftsAreOf("anna");
  keepDraft("1", OPINION);
  keepDraft("2", { ...OPINION, text: null });
});

test("who comes back finds what was not saved", () => {
  draftsAreOf("anna");
  assert.deepEqual(draftOf("1"), OPINION);
});

test("nobody else does", () => {
  draftsAreOf("berta");
  assert.equal(draftOf("1"), undefined);
  draftsAreOf("anna");
  assert.equal(hasDrafts(), false);
});

test("what was saved is no draft any more", () => {
  dropDraft("1");
  assert.equal(draftOf("1"), undefined);
  assert.equal(hasDrafts(), true);
  dropDraft("2");
  assert.equal(hasDrafts(), false);
});

test("who signs out leaves none", () => {
  forgetDrafts();
  draftsAreOf("anna");
  assert.equal(hasDrafts(), false);
});

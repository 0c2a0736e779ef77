import assert from "node:assert/strict";
import test from "node:test";
import { pageAt, studyAt, studyPath } from "./routes.ts";

test("each address has its page", () => {
  const id = "0123456789abcdef".repeat(2);
  assert.equal(pageAt("/"), "worklist");
  assert.equal(pageAt("/setup"), "firstStart");
  assert.equal(pageAt(studyPath(id)), "study");
  assert.equal(studyAt(studyPath(id)), id);
});

test("other addresses have none", () => {
  for (const path of ["/nowhere", "/studies/", "/studies/{study_id}", "/studies/1", "/upload/"]) {
    assert.equal(pageAt(path), undefined, path);
  }
});

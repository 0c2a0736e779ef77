import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_FILTER, searchOf } from "./navigation.ts";

test("a range of days is whole days of this place, the last one too", () => {
  const { since, until, text } = searchOf({
    ...NO_FILTER,
    text: "kim",
    first: "2026-10-24",
    last: "2026-10-25", // summer time ends in Europe: this day may have 25 hours
  });
  assert.equal(text, "kim");
  assert.equal(since, new Date(2026, 9, 24).toISOString());
  assert.equal(until, new Date(2026, 9, 26).toISOString());
});

test("without days, none are asked for", () => {
  const { since, until, status } = searchOf(NO_FILTER);
  assert.deepEqual([since, until, status], [null, null, "awaiting review"]);
});

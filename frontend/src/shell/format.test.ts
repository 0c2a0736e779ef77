import assert from "node:assert/strict";
import test from "node:test";
import { ago, identifier, patientName, percent } from "./format.ts";

test("a probability is never quite nothing or all, as the reader's pictures write it", () => {
  assert.deepEqual([0.0001, 0.1234, 1].map(percent), ["<0.1%", "12.3%", ">99.9%"]);
});

test("a wait is told in the largest unit that says something", () => {
  const now = Date.parse("2026-03-02T12:00:00Z");
  const told = ["12:00:30", "11:59:01", "11:01:00", "11:00:00"].map((t) =>
    ago(`2026-03-02T${t}Z`, now),
  );
  assert.deepEqual(told, ["just now", "just now", "59 min", "1 h"]);
  assert.equal(ago("2026-02-28T12:00:00Z", now), "2 d");
});

test("names of DICOM are written as people write them", () => {
  const named = (name: string | null, id: string | null) =>
    patientName({ name, id, birth_date: null, sex: null });
  assert.equal(named("Doe^Jane^Mary^Dr^", "P-1"), "Doe, Jane Mary Dr");
  assert.equal(named("Doe", "P-1"), "Doe");
  assert.equal(named("^^^^", "P-1"), "P-1");
  assert.equal(named(null, null), "Unknown patient");
});

test("an identifier is not written twice", () => {
  const told = (name: string | null) =>
    identifier({ name, id: "P-1", birth_date: null, sex: null });
  assert.deepEqual([told("Doe^Jane"), told("P-1"), told(null)], ["P-1", null, null]);
});

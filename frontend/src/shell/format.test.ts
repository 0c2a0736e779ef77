import assert from "node:assert/strict";
import test from "node:test";
import { ago, browserName, identifier, patientName, percent } from "./format.ts";

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

// DICOM PS3.5, annexes H.3 (Japanese) and I.2 (Korean).
test("a name in several scripts stands in each, the others in brackets", () => {
  const named = (name: string) => patientName({ name, id: "P-1", birth_date: null, sex: null });
  assert.equal(
    named("Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "Yamada, Tarou (山田, 太郎; やまだ, たろう)",
  );
  assert.equal(named("Hong^Gildong=洪^吉洞=홍^길동"), "Hong, Gildong (洪, 吉洞; 홍, 길동)");
  assert.equal(named("=山田^太郎"), "山田, 太郎");
  assert.equal(named("Doe^Jane=="), "Doe, Jane");
});

test("an identifier is not written twice", () => {
  const told = (name: string | null) =>
    identifier({ name, id: "P-1", birth_date: null, sex: null });
  assert.deepEqual([told("Doe^Jane"), told("P-1"), told(null)], ["P-1", null, null]);
});

// As the browsers' makers write them.
const AGENTS = {
  "Firefox, Windows":
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "Edge, Windows":
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
  "Chrome, Android":
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
  "Safari, iPhone":
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
  "Safari, Mac OS":
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
  "a browser": "curl/8.5.0",
};

test("a browser is told by what it calls itself", () => {
  for (const [name, agent] of Object.entries(AGENTS)) {
    assert.equal(browserName(agent), name);
  }
  assert.equal(browserName(null), "a browser");
});

import assert from "node:assert/strict";
import test from "node:test";
import {
  browserName,
  formatAge,
  formatEstimate,
  formatProbability,
  formatTime,
  patientDetails,
  patientIdentifier,
  patientName,
} from "./format.ts";

test("a probability is never 0 or 100 %, as in the reader's own pictures", () => {
  assert.deepEqual([0.0001, 0.1234, 1].map(formatProbability), ["<0.1%", "12.3%", ">99.9%"]);
});

// As in the doctests of pneumoscope.report.estimate.
test("an estimate is written with its interval where there is one", () => {
  assert.equal(formatEstimate({ value: 0.9, low: 0.85, high: 0.94 }), "0.900 (0.850 to 0.940)");
  assert.equal(formatEstimate({ value: 0.9, low: null, high: null }), "0.900");
  assert.equal(formatEstimate({ value: null }), "–");
  assert.equal(formatEstimate(undefined), "–");
});

test("an age is written in its largest unit", () => {
  const now = Date.parse("2026-03-02T12:00:00Z");
  const ages = ["12:00:30", "11:59:01", "11:01:00", "11:00:00"].map((time) =>
    formatAge(`2026-03-02T${time}Z`, now),
  );
  assert.deepEqual(ages, ["just now", "just now", "59 min", "1 h"]);
  assert.equal(formatAge("2026-02-28T12:00:00Z", now), "2 d");
});

const patient = (name: string | null, id: string | null = "P-1") => ({
  name,
  id,
  issuer: null,
  birth_date: null,
  sex: null,
});

test("DICOM names are written as people write them", () => {
  assert.equal(patientName(patient("Doe^Jane^Mary^Dr^")), "Doe, Jane Mary Dr");
  assert.equal(patientName(patient("Doe")), "Doe");
  assert.equal(patientName(patient("^^^^")), "P-1");
  assert.equal(patientName(patient(null, null)), "Unknown patient");
});

// DICOM PS3.5, annexes H.3 (Japanese) and I.2 (Korean).
test("a name in several scripts is written in each, all but the first in brackets", () => {
  assert.equal(
    patientName(patient("Yamada^Tarou=山田^太郎=やまだ^たろう")),
    "Yamada, Tarou (山田, 太郎; やまだ, たろう)",
  );
  assert.equal(
    patientName(patient("Hong^Gildong=洪^吉洞=홍^길동")),
    "Hong, Gildong (洪, 吉洞; 홍, 길동)",
  );
  assert.equal(patientName(patient("=山田^太郎")), "山田, 太郎");
  assert.equal(patientName(patient("Doe^Jane==")), "Doe, Jane");
});

test("dates and the site's times do not move in a browser of another zone", () => {
  const zone = process.env.TZ;
  for (const browser of ["Pacific/Kiritimati", "America/Los_Angeles"]) {
    process.env.TZ = browser;
    assert.equal(formatTime("2026-11-24"), "2026-11-24");
    assert.equal(formatTime("2026-11-24T23:59:00+14:00"), "2026-11-24 23:59");
    assert.equal(formatTime("2026-11-24T00:05:00.250000-08:00"), "2026-11-24 00:05");
    assert.equal(formatTime("2026-11-24T00:05:00+00:00"), "2026-11-24 00:05");
  }
  process.env.TZ = zone ?? "UTC";
});

test("a patient is named with the issuer of the identifier and the age at the examination", () => {
  const kim = { ...patient("Kim^Tiny"), issuer: "WEST", birth_date: "2023-01-05", sex: "F" };
  assert.deepEqual(patientDetails(kim, "3 years"), [
    "P-1 (WEST)",
    "born 2023-01-05",
    "3 years",
    "F",
  ]);
});

test("an identifier is not written twice", () => {
  const identifiers = ["Doe^Jane", "P-1", null].map((name) => patientIdentifier(patient(name)));
  assert.deepEqual(identifiers, ["P-1", null, null]);
});

// User-Agent headers as the browsers' makers document them.
const USER_AGENTS = {
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
  "Unknown browser": "curl/8.5.0",
};

test("browsers are recognised by their User-Agent header", () => {
  for (const [name, userAgent] of Object.entries(USER_AGENTS)) {
    assert.equal(browserName(userAgent), name);
  }
  assert.equal(browserName(null), "Unknown browser");
});

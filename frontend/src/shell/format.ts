// Numbers, times and names as people read them.

import type { Estimate, Image, Patient, Reading, Study } from "../api/schema.d.ts";

/** Return a probability, never 0 or 100 % (as `pneumoscope.reader.reading.format_probability`). */
export function formatProbability(probability: number): string {
  if (probability < 0.001) {
    return "<0.1%";
  }
  return probability > 0.999 ? ">99.9%" : `${(probability * 100).toFixed(1)}%`;
}

/** Return an estimate with its 95 % interval, as the server's reports; a dash if it is undefined. */
export function formatEstimate(estimate: Estimate | undefined): string {
  if (estimate === undefined || estimate.value === null) {
    return "–";
  }
  const [value, low, high] = [estimate.value, estimate.low, estimate.high].map((number) =>
    number?.toFixed(3),
  );
  return low === undefined || high === undefined ? `${value}` : `${value} (${low} to ${high})`;
}

/** Return how long ago a time was, in one unit. */
export function formatAge(time: string, now: number): string {
  const minutes = Math.max(0, Math.floor((now - Date.parse(time)) / 60_000));
  if (minutes < 1) {
    return "just now";
  }
  if (minutes < 60) {
    return `${minutes} min`;
  }
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

const LOCAL_TIME = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d).*[+-]\d\d:\d\d)?$/;

/**
 * Return a date or a time as ISO 8601 has it, to the minute: the only format that nobody misreads.
 *
 * A date, or a time with an offset such as +01:00, stands as it is: it is that of the site's clock,
 * and in a browser elsewhere its date would move by a day. Times in UTC are shown in local time.
 */
export function formatTime(time: string): string {
  const [, day, clock] = LOCAL_TIME.exec(time) ?? [];
  if (day === undefined) {
    return localTime(new Date(time));
  }
  return clock === undefined ? day : `${day} ${clock}`;
}

function localTime(time: Date): string {
  const two = (number: number) => String(number).padStart(2, "0");
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/**
 * Return a patient's name as people write it.
 *
 * DICOM's `Family^Given^Middle^Prefix^Suffix` becomes "Family, Given Middle Prefix Suffix"; the same
 * name in other scripts, which DICOM separates by `=`, follows in brackets.
 */
export function patientName(patient: Patient): string {
  const [name, ...otherScripts] = (patient.name ?? "").split("=").map(formatName).filter(Boolean);
  const brackets = otherScripts.length > 0 ? ` (${otherScripts.join("; ")})` : "";
  return name === undefined ? patient.id || "Unknown patient" : name + brackets;
}

function formatName(name: string): string {
  const [family, ...otherParts] = name.split("^").map((part) => part.trim());
  return [family, otherParts.filter(Boolean).join(" ")].filter(Boolean).join(", ");
}

/**
 * Return the patient's identifier with its issuer; null where it stands in the place of the name.
 */
export function patientIdentifier({ issuer, ...patient }: Patient): string | null {
  if (issuer !== null && patient.id !== null) {
    return `${patient.id} (${issuer})`;
  }
  return patient.id === patientName({ issuer, ...patient }) ? null : patient.id;
}

/** Return what identifies a study's patient besides the name, with an age where one is passed. */
export function patientDetails(patient: Patient, age: string | null): string[] {
  const { birth_date, sex } = patient;
  const born = birth_date && `born ${formatTime(birth_date)}`;
  return [patientIdentifier(patient), born, age, sex].filter((detail) => detail !== null);
}

/** Return when a study was acquired; when it was received, and that, if its files do not say. */
export function studyTime({ acquired, study_date, received }: Study): string {
  const examined = acquired ?? study_date;
  return examined === null
    ? `received ${formatTime(received)}`
    : `acquired ${formatTime(examined)}`;
}

export function formatBytes(size: number): string {
  return size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

const BROWSERS = { Edg: "Edge", OPR: "Opera", Firefox: "Firefox", Chrome: "Chrome" };
const SYSTEMS = ["Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux"];

/** Return the browser and the operating system that a User-Agent header names. */
export function browserName(userAgent: string | null): string {
  const known = Object.entries(BROWSERS).find(([token]) => userAgent?.includes(`${token}/`))?.[1];
  const browser = known ?? (userAgent?.includes("Safari/") ? "Safari" : "Unknown browser");
  const system = SYSTEMS.find((name) => userAgent?.includes(name));
  return system === undefined ? browser : `${browser}, ${system}`;
}

/** Return whether a reading has a finding; it has none where the network may not answer. */
export function isRead({ probability }: Reading): boolean {
  return probability !== null;
}

const FINDING_CLASSES = {
  "pneumonia suspected": "suspected",
  "no sign of pneumonia": "no-sign",
  uncertain: "uncertain",
};

/** Return the CSS class of a finding; none is green, since other findings are not looked for. */
export function findingClass(finding: NonNullable<Reading["finding"]>): string {
  return FINDING_CLASSES[finding];
}

/** Return the image with the highest probability, which gives a study its place in the worklist. */
export function mostUrgentImage(study: Study): Image | undefined {
  const probability = (image: Image) => image.reading?.probability ?? -1;
  return study.images.toSorted((first, second) => probability(second) - probability(first))[0];
}

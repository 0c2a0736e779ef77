// Figures, times and names as people read them.

import type { Image, Patient, Study } from "../api/types.ts";

/** A probability, never quite 0 or 100 % (as `pneumoscope.reader.reading.percent`). */
export function percent(probability: number): string {
  if (probability < 0.001) {
    return "<0.1%";
  }
  return probability > 0.999 ? ">99.9%" : `${(probability * 100).toFixed(1)}%`;
}

/** How long ago a moment was, in one unit. */
export function ago(moment: string, now: number): string {
  const minutes = Math.max(0, Math.floor((now - Date.parse(moment)) / 60_000));
  if (minutes < 1) {
    return "just now";
  }
  if (minutes < 60) {
    return `${minutes} min`;
  }
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export function moment(text: string): string {
  return MOMENT.format(new Date(text));
}

/**
 * A name as people write it: DICOM's `Family^Given^Middle^Prefix^Suffix` becomes words, and what
 * stands after a `=`, the same name in other letters, stands in brackets.
 */
export function patientName(patient: Patient): string {
  const [name, ...others] = (patient.name ?? "").split("=").map(inWords).filter(Boolean);
  const same = others.length > 0 ? ` (${others.join("; ")})` : "";
  return name === undefined ? patient.id || "Unknown patient" : name + same;
}

function inWords(name: string): string {
  const [family, ...others] = name.split("^").map((part) => part.trim());
  const given = others.filter(Boolean).join(" ");
  return [family, given].filter(Boolean).join(", ");
}

/** The patient's identifier, where it does not stand in the place of the name. */
export function identifier(patient: Patient): string | null {
  return patient.id === patientName(patient) ? null : patient.id;
}

/** When a study was made, or came if its files do not say. */
export function taken(study: Study): string {
  return study.acquired ?? study.received;
}

export function bytes(size: number): string {
  return size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

const BROWSERS = { Edg: "Edge", OPR: "Opera", Firefox: "Firefox", Chrome: "Chrome" };
const SYSTEMS = ["Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux"];

/** A browser and its system, as well as its name for itself tells. */
export function browserName(agent: string | null): string {
  const known = Object.entries(BROWSERS).find(([mark]) => agent?.includes(`${mark}/`))?.[1];
  const name = known ?? (agent?.includes("Safari/") ? "Safari" : "a browser");
  const system = SYSTEMS.find((one) => agent?.includes(one));
  return system === undefined ? name : `${name}, ${system}`;
}

/** The image that a study's urgency comes from: the one with the highest probability. */
export function foremost(study: Study): Image | undefined {
  const by = (image: Image) => image.reading?.probability ?? -1;
  return [...study.images].sort((a, b) => by(b) - by(a))[0];
}

// Figures of the clinic and alerts: their routes, and the shapes of the answers
// (src/pneumoscope/clinic/api/monitoring.py, src/pneumoscope/clinic/monitoring).

import { json } from "./http.ts";

export interface Days {
  first: string;
  last: string;
}

export interface Estimate {
  value: number | null;
  interval: { low: number; high: number } | null;
}

export interface Share {
  part: number;
  whole: number;
  estimate: Estimate;
}

export interface Spread {
  median: number;
  most: number;
}

export interface Shift {
  patients: number;
  index: number;
  by_chance: number;
  band: "small" | "moderate" | "large";
  distance: number;
  p: number;
  shares: number[];
  expected: number[];
}

export interface Period {
  days: Days;
  images: number;
  patients: number;
  reading: Spread | null;
  waiting: Spread | null;
  unread: Share;
  reasons: Record<string, number>;
  shifts: Record<string, Shift>;
}

export interface Agreement {
  days: Days;
  agree: Share;
  uncertain: number;
}

export interface Accuracy {
  sensitivity: Estimate;
  specificity: Estimate;
}

export interface Overview {
  made: string;
  bundle: string;
  operating_point: string;
  reference_patients: number | null;
  periods: Period[];
  adjusted: Record<string, number>;
  agreement: Agreement[];
  accuracy: { patients: number; judged: number; among_judged: Accuracy; corrected: Accuracy };
}

export interface Alert {
  id: string;
  rule: string;
  site: string | null;
  subject: string;
  message: string;
  began: string;
  ended: string | null;
  acknowledged: string | null;
  acknowledged_by: string | null;
}

/** What is asked for, as addresses have it: of all sites if none is named. */
export const asked = (days: number, site: string) =>
  `days=${days}${site === "" ? "" : `&site=${site}`}`;
export const overview = (asked: string) =>
  json<Overview>("GET", `/v1/monitoring?windows=6&${asked}`);
export const alerts = () => json<Alert[]>("GET", "/v1/monitoring/alerts");
export const lookNow = () => json<Alert[]>("POST", "/v1/monitoring/look");
export const acknowledge = (alert: string) =>
  json<Alert>("POST", `/v1/monitoring/alerts/${alert}/acknowledgement`);

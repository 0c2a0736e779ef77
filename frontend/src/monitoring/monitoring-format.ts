// Numbers and days as the monitoring page shows them.

import type { DateRange, DurationSummary } from "../api/schema.d.ts";

/** Return the last day without its year, for which an axis has no room. */
export const lastDay = ({ last }: DateRange): string => last.slice("2026-".length);
export const formatDays = ({ first, last }: DateRange): string => `${first} to ${last}`;

/** Return a number with two significant digits, or up to four from 100 on. */
export function formatShort(value: number): string {
  return value.toLocaleString("en-GB", { maximumSignificantDigits: value < 100 ? 2 : 4 });
}

/** Return the median and the 95th percentile of durations, in seconds. */
export function formatDurations(summary: DurationSummary | null): string {
  return summary === null
    ? "–"
    : `${formatShort(summary.median)} (${formatShort(summary.percentile_95)})`;
}

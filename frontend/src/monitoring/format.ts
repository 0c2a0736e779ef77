import type { Days, Estimate, Spread } from "../api/monitoring.ts";

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

export const until = ({ last }: Days): string => DAY.format(new Date(last));
export const span = ({ first, last }: Days): string =>
  `${DAY.format(new Date(first))} to ${DAY.format(new Date(last))}`;

/** Two significant digits, as many as there is anything to say with. */
export function brief(value: number): string {
  return value.toLocaleString("en-GB", { maximumSignificantDigits: value < 100 ? 2 : 4 });
}

export function told({ value, interval }: Estimate): string {
  if (value === null) {
    return "not known";
  }
  const range = interval && ` (${interval.low.toFixed(3)} to ${interval.high.toFixed(3)})`;
  return value.toFixed(3) + (range ?? "");
}

export function spread(seconds: Spread | null): string {
  return seconds === null ? "none" : `${brief(seconds.median)} (${brief(seconds.most)})`;
}

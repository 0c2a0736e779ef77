// The number of images and patients, waiting and reading times, and images that were not read.

import type { DurationSummary, Period } from "../api/schema.d.ts";
import { formatEstimate } from "../shell/format.ts";
import { formatDays, formatDurations, lastDay } from "./monitoring-format.ts";
import { Plot } from "./plot.tsx";
import { Scrollable } from "./scrollable.tsx";

export function Volume({ periods }: { periods: Period[] }) {
  const labels = periods.map(({ days }) => lastDay(days));
  const counts = (name: "images" | "patients") => ({
    name,
    points: periods.map((period) => ({ value: period[name] })),
  });
  return (
    <section aria-labelledby="volume">
      <h2 id="volume">Volume and turnaround times</h2>
      <div className="plots">
        <Plot
          title="Images and patients by period"
          labels={labels}
          series={[counts("images"), counts("patients")]}
          bars
        />
        <Plot
          title="Seconds from receipt to reading"
          labels={labels}
          series={durationSeries(periods.map(({ waiting }) => waiting))}
        />
        <Plot
          title="Seconds to read an image"
          labels={labels}
          series={durationSeries(periods.map(({ reading }) => reading))}
        />
        <Plot
          title="Proportion of patients not read"
          labels={labels}
          series={[{ name: "unread", points: periods.map(({ unread }) => unread.estimate) }]}
        />
      </div>
      <details>
        <summary>Table by period</summary>
        <VolumeTable periods={periods} />
      </details>
      <Refusals periods={periods} />
      <QualityFindings latest={periods.at(-1)} />
    </section>
  );
}

function durationSeries(summaries: (DurationSummary | null)[]) {
  const points = (statistic: keyof DurationSummary) =>
    summaries.map((summary) => ({ value: summary?.[statistic] ?? null }));
  return [
    { name: "median", points: points("median") },
    { name: "95th percentile", points: points("percentile_95") },
  ];
}

function VolumeTable({ periods }: { periods: Period[] }) {
  return (
    <Scrollable name="Volume by period">
      <table className="periods">
        <caption>By period; seconds: median (95th percentile)</caption>
        <thead>
          <tr>
            <th scope="col">Days</th>
            <th scope="col">Images</th>
            <th scope="col">Patients</th>
            <th scope="col">Receipt to reading, s</th>
            <th scope="col">Reading, s</th>
            <th scope="col">Not read</th>
          </tr>
        </thead>
        <tbody>
          {periods.map((period) => (
            <tr key={period.days.last}>
              <th scope="row">{formatDays(period.days)}</th>
              <td>{period.images}</td>
              <td>{period.patients}</td>
              <td>{formatDurations(period.waiting)}</td>
              <td>{formatDurations(period.reading)}</td>
              <td>{formatEstimate(period.unread.estimate)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrollable>
  );
}

/** The images that were not read, by the code of the first reason, the most frequent first. */
function Refusals({ periods }: { periods: Period[] }) {
  const total = (code: string) =>
    periods.reduce((sum, { refusals }) => sum + (refusals[code] ?? 0), 0);
  const codes = [...new Set(periods.flatMap(({ refusals }) => Object.keys(refusals)))].toSorted(
    (first, second) => total(second) - total(first),
  );
  return (
    codes.length > 0 && (
      <Scrollable name="Images not read, by reason">
        <table className="refusals">
          <caption>
            Images that were not read (outside, rejected or failed), by the first reason
          </caption>
          <thead>
            <tr>
              <th scope="col">Reason</th>
              {periods.map(({ days }) => (
                <th key={days.last} scope="col">
                  {formatDays(days)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {codes.map((code) => (
              <tr key={code}>
                <th scope="row">{code.replaceAll("_", " ")}</th>
                {periods.map(({ days, refusals }) => (
                  <td key={days.last}>{refusals[code] ?? 0}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scrollable>
    )
  );
}

function QualityFindings({ latest }: { latest: Period | undefined }) {
  const reasons = Object.entries(latest?.reasons ?? {});
  return (
    reasons.length > 0 && (
      <p>
        Quality findings in the latest period, with the number of images:{" "}
        {reasons.map(([code, count]) => `${code} (${count})`).join(", ")}.
      </p>
    )
  );
}

// How much there was, how long it took, and what could not be read.

import type { Period } from "../api/monitoring.ts";
import { span, spread, told, until } from "./format.ts";
import { Plot } from "./plot.tsx";
import { Wide } from "./wide.tsx";

export function Flow({ periods }: { periods: Period[] }) {
  const labels = periods.map((one) => until(one.days));
  const times = (of: "reading" | "waiting") => [
    { name: "median", points: periods.map((one) => ({ value: one[of]?.median ?? null })) },
    { name: "95 % are below", points: periods.map((one) => ({ value: one[of]?.most ?? null })) },
  ];
  const counts = (of: "images" | "patients") => ({
    name: of,
    points: periods.map((one) => ({ value: one[of] })),
  });
  const unread = periods.map(({ unread: { estimate } }) => ({
    value: estimate.value,
    ...estimate.interval,
  }));
  return (
    <section aria-labelledby="flow">
      <h2 id="flow">How much, and how long</h2>
      <div className="plots">
        <Plot
          title="In each window"
          labels={labels}
          series={[counts("images"), counts("patients")]}
          bars
        />
        <Plot title="Seconds from coming in to reading" labels={labels} series={times("waiting")} />
        <Plot title="Seconds that reading takes" labels={labels} series={times("reading")} />
        <Plot
          title="Share of patients rejected or failed"
          labels={labels}
          series={[{ name: "unread", points: unread }]}
        />
      </div>
      <details>
        <summary>The figures</summary>
        <Table periods={periods} />
      </details>
      <Reasons last={periods.at(-1)} />
    </section>
  );
}

function Table({ periods }: { periods: Period[] }) {
  return (
    <Wide name="Figures by window">
      <table className="windows">
        <caption>By window; seconds: median, and what 95 % do not exceed</caption>
        <thead>
          <tr>
            <th scope="col">Days</th>
            <th scope="col">Images</th>
            <th scope="col">Patients</th>
            <th scope="col">Waiting, s</th>
            <th scope="col">Reading, s</th>
            <th scope="col">Rejected or failed</th>
          </tr>
        </thead>
        <tbody>
          {periods.map((one) => (
            <tr key={one.days.last}>
              <th scope="row">{span(one.days)}</th>
              <td>{one.images}</td>
              <td>{one.patients}</td>
              <td>{spread(one.waiting)}</td>
              <td>{spread(one.reading)}</td>
              <td>{told(one.unread.estimate)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

function Reasons({ last }: { last: Period | undefined }) {
  const reasons = Object.entries(last?.reasons ?? {});
  return (
    reasons.length > 0 && (
      <p>
        What spoke against images of the last window:{" "}
        {reasons.map(([code, count]) => `${code} (${count})`).join(", ")}.
      </p>
    )
  );
}

// How like the bundle's population the patients are: scores, and images as the network sees them.

import type { Overview, Shift } from "../api/monitoring.ts";
import { brief } from "./format.ts";
import { path } from "./scale.ts";
import { Wide } from "./wide.tsx";

const TITLES: Record<string, string> = {
  probability: "score",
  distance: "distance from what was learned from",
};

export function Shifts({ found }: { found: Overview }) {
  const shifts = Object.entries(found.periods.at(-1)?.shifts ?? {});
  return (
    <section aria-labelledby="shift">
      <h2 id="shift">How like the bundle's population</h2>
      {shifts.length === 0 ? (
        <p>{whyNone(found)}</p>
      ) : (
        <>
          <p className="small">
            The last window beside the {found.reference_patients} validation patients of{" "}
            {found.bundle}. Index: 0.1 (dotted) is moderate, 0.25 (dashed) is large; in few patients
            chance alone gives a high one. Spread: patients here over bins that hold a tenth of the
            population each (line).
          </p>
          <Wide name="Statistics beside the population">
            <table className="shifts">
              <thead>
                <tr>
                  <th scope="col">Statistic</th>
                  <th scope="col">Patients</th>
                  <th scope="col">Stability index (by chance)</th>
                  <th scope="col">Shift</th>
                  <th scope="col">Index by window</th>
                  <th scope="col">Distance</th>
                  <th scope="col">Adjusted p</th>
                  <th scope="col">Spread</th>
                </tr>
              </thead>
              <tbody>
                {shifts.map(([name, shift]) => (
                  <tr key={name}>
                    <th scope="row">{TITLES[name] ?? name}</th>
                    <td>{shift.patients}</td>
                    <td>
                      {shift.index.toFixed(3)} <small>({shift.by_chance.toFixed(3)})</small>
                    </td>
                    <td className={shift.band}>{shift.band}</td>
                    <td>
                      <Course
                        indexes={found.periods.map((one) => one.shifts[name]?.index ?? null)}
                      />
                    </td>
                    <td>{shift.distance.toFixed(3)}</td>
                    <td>{p(found.adjusted[name])}</td>
                    <td>
                      <Spread shift={shift} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        </>
      )}
    </section>
  );
}

function whyNone({ reference_patients }: Overview): string {
  return reference_patients === null
    ? "Nothing is known of the population of this bundle but its limits. Make its reference with 'pneumoscope reference'."
    : "Too few patients were read in the last window; nothing can be said. Ask for longer windows.";
}

function p(value: number | undefined): string {
  return value === undefined ? "" : value < 0.0001 ? "<0.0001" : brief(value);
}

/** The index, window by window, with its two bands. */
function Course({ indexes }: { indexes: (number | null)[] }) {
  const most = Math.max(0.3, ...indexes.map((one) => one ?? 0));
  const y = (value: number) => 27 - (value / most) * 24;
  const x = (place: number) => 4 + (place * 82) / Math.max(1, indexes.length - 1);
  const places = indexes.map((one, n): [number, number] | null =>
    one === null ? null : [x(n), y(one)],
  );
  return (
    <svg className="course" viewBox="0 0 90 30" aria-hidden="true">
      <line className="moderate" x1="0" x2="90" y1={y(0.1)} y2={y(0.1)} />
      <line className="large" x1="0" x2="90" y1={y(0.25)} y2={y(0.25)} />
      <path d={path(places)} />
      {places.map((place) => place && <circle key={place[0]} cx={place[0]} cy={place[1]} r="2" />)}
    </svg>
  );
}

function Spread({ shift: { shares, expected } }: { shift: Shift }) {
  const most = Math.max(...shares, ...expected);
  const wide = 90 / shares.length;
  const y = (value: number) => 30 - (value / most) * 29;
  const steps = expected.flatMap((one, n): [number, number][] => [
    [n * wide, y(one)],
    [(n + 1) * wide, y(one)],
  ]);
  return (
    <svg className="spread" viewBox="0 0 90 30" aria-hidden="true">
      {shares.map((one, n) => {
        const left = n * wide;
        return <rect key={left} x={left + 0.5} width={wide - 1} y={y(one)} height={30 - y(one)} />;
      })}
      <path d={path(steps)} />
    </svg>
  );
}

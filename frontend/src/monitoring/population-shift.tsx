// Shift of the patients from the bundle's reference population: probabilities, and properties of the
// images as the network sees them.

import type { DistributionShift, MonitoringOverview } from "../api/schema.d.ts";
import { formatShort } from "./monitoring-format.ts";
import { linePath } from "./plot-scale.ts";
import { Scrollable } from "./scrollable.tsx";

const STATISTIC_NAMES: Record<string, string> = { distance: "distance from the training images" };

export function PopulationShift({ overview }: { overview: MonitoringOverview }) {
  const shifts = Object.entries(overview.periods.at(-1)?.shifts ?? {});
  return (
    <section aria-labelledby="shift">
      <h2 id="shift">Shift from the reference population</h2>
      {shifts.length === 0 ? (
        <p>{whyUnknown(overview)}</p>
      ) : (
        <>
          <p className="small">
            Latest period compared with the {overview.reference_patients} validation patients of{" "}
            {overview.bundle}. Population stability index: from 0.1 moderate (dotted), from 0.25
            large (dashed); with few patients, high values occur by chance. Distance:
            Kolmogorov-Smirnov. Distribution: patients of this clinic (bars) in bins that hold a
            tenth of the reference population each (line).
          </p>
          <Scrollable name="Shift of each statistic">
            <ShiftTable shifts={shifts} overview={overview} />
          </Scrollable>
        </>
      )}
    </section>
  );
}

interface TableProps {
  shifts: [string, DistributionShift][];
  overview: MonitoringOverview;
}

function ShiftTable({ shifts, overview: { periods, adjusted_p } }: TableProps) {
  return (
    <table className="shifts">
      <thead>
        <tr>
          <th scope="col">Statistic</th>
          <th scope="col">Patients</th>
          <th scope="col">Stability index (by chance)</th>
          <th scope="col">Shift</th>
          <th scope="col">Index by period</th>
          <th scope="col">Distance</th>
          <th scope="col">Adjusted p</th>
          <th scope="col">Distribution</th>
        </tr>
      </thead>
      <tbody>
        {shifts.map(([name, shift]) => (
          <tr key={name}>
            <th scope="row">{STATISTIC_NAMES[name] ?? name}</th>
            <td>{shift.patients}</td>
            <td>
              {shift.index.toFixed(3)} <small>({shift.by_chance.toFixed(3)})</small>
            </td>
            <td className={shift.band}>{shift.band}</td>
            <td>
              <IndexPlot indexes={periods.map(({ shifts }) => shifts[name]?.index ?? null)} />
            </td>
            <td>{shift.distance.toFixed(3)}</td>
            <td>{formatP(adjusted_p[name])}</td>
            <td>
              <DistributionPlot shift={shift} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function whyUnknown({ reference_patients }: MonitoringOverview): string {
  return reference_patients === null
    ? "This bundle has no reference population. Create it with 'pneumoscope reference'."
    : "Too few patients were read in the latest period. Choose longer periods.";
}

function formatP(p: number | undefined): string {
  return p === undefined ? "" : p < 0.0001 ? "<0.0001" : formatShort(p);
}

/** The stability index by period, with the limits of its bands. */
function IndexPlot({ indexes }: { indexes: (number | null)[] }) {
  const top = Math.max(0.3, ...indexes.map((index) => index ?? 0));
  const y = (value: number) => 27 - (value / top) * 24;
  const x = (place: number) => 4 + (place * 82) / Math.max(1, indexes.length - 1);
  const points = indexes.map((index, place): [number, number] | null =>
    index === null ? null : [x(place), y(index)],
  );
  return (
    <svg className="index-plot" viewBox="0 0 90 30" aria-hidden="true">
      <line className="moderate" x1="0" x2="90" y1={y(0.1)} y2={y(0.1)} />
      <line className="large" x1="0" x2="90" y1={y(0.25)} y2={y(0.25)} />
      <path d={linePath(points)} />
      {points.map((point) => point && <circle key={point[0]} cx={point[0]} cy={point[1]} r="2" />)}
    </svg>
  );
}

/** The distribution of this clinic's patients as bars, the reference population's as a line. */
function DistributionPlot({ shift: { shares, expected } }: { shift: DistributionShift }) {
  const top = Math.max(...shares, ...expected);
  const width = 90 / shares.length;
  const y = (value: number) => 30 - (value / top) * 29;
  const line = expected.flatMap((share, bin): [number, number][] => [
    [bin * width, y(share)],
    [(bin + 1) * width, y(share)],
  ]);
  return (
    <svg className="distribution-plot" viewBox="0 0 90 30" aria-hidden="true">
      {shares.map((share, bin) => {
        const left = bin * width;
        return (
          <rect key={left} x={left + 0.5} width={width - 1} y={y(share)} height={30 - y(share)} />
        );
      })}
      <path d={linePath(line)} />
    </svg>
  );
}

// A small plot over periods or weeks; screen readers have the table with the same numbers.

import type { Estimate } from "../api/schema.d.ts";
import { formatShort } from "./monitoring-format.ts";
import { axisTop, linePath } from "./plot-scale.ts";

const [WIDTH, HEIGHT] = [320, 150];
const [LEFT, RIGHT, TOP, BOTTOM] = [38, 312, 10, 126];
const MAX_LABELS = 6;

interface Series {
  name: string;
  points: Estimate[];
}

interface Props {
  title: string;
  labels: string[];
  series: Series[];
  bars?: boolean;
  /** Top of the vertical axis; by default a round number above all values. */
  top?: number;
}

export function Plot({ title, labels, series, bars = false, top }: Props) {
  const values = series.flatMap(({ points }) =>
    points.map(({ value, high }) => high ?? value ?? 0),
  );
  const axisEnd = top ?? axisTop(Math.max(...values));
  const step = (RIGHT - LEFT) / labels.length;
  const x = (place: number) => LEFT + (place + 0.5) * step;
  const y = (value: number) => BOTTOM - (value / axisEnd) * (BOTTOM - TOP);
  const labelEvery = Math.ceil(labels.length / MAX_LABELS);
  return (
    <figure className="plot">
      <figcaption>
        <b>{title}</b>
        {series.length > 1 &&
          series.map(({ name }, index) => (
            <span key={name} className={`series-${index}`}>
              <i aria-hidden="true" /> {name}
            </span>
          ))}
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        {[0, axisEnd / 2, axisEnd].map((value) => (
          <g key={value}>
            <line className="grid" x1={LEFT} x2={RIGHT} y1={y(value)} y2={y(value)} />
            <text x={LEFT - 5} y={y(value) + 4} textAnchor="end">
              {formatShort(value)}
            </text>
          </g>
        ))}
        {series.map(({ name, points }, index) => (
          <g key={name} className={`series-${index}`}>
            {bars ? (
              <Bars
                points={points}
                x={x}
                y={y}
                width={(step * 0.7) / series.length}
                index={index}
              />
            ) : (
              <Line points={points} x={x} y={y} />
            )}
          </g>
        ))}
        {labels.map((label, place) =>
          (labels.length - 1 - place) % labelEvery === 0 ? (
            <text key={label} x={x(place)} y={HEIGHT - 8} textAnchor="middle">
              {label}
            </text>
          ) : null,
        )}
      </svg>
    </figure>
  );
}

interface ScaledPoints {
  points: Estimate[];
  x: (place: number) => number;
  y: (value: number) => number;
}

function Bars({ points, x, y, width, index }: ScaledPoints & { width: number; index: number }) {
  return points.map(({ value }, place) => (
    <rect
      key={x(place)}
      x={x(place) + (index - 1) * width}
      width={width}
      y={y(value ?? 0)}
      height={y(0) - y(value ?? 0)}
    />
  ));
}

/** A line through the values, with their intervals; it has gaps where values are missing. */
function Line({ points, x, y }: ScaledPoints) {
  const path = linePath(
    points.map(({ value }, place) => (value === null ? null : [x(place), y(value)])),
  );
  return (
    <>
      <path d={path} />
      {points.map(
        ({ value, low, high }, place) =>
          value !== null && (
            <g key={x(place)}>
              {low != null && high != null && (
                <line x1={x(place)} x2={x(place)} y1={y(low)} y2={y(high)} />
              )}
              <circle cx={x(place)} cy={y(value)} r="2.6" />
            </g>
          ),
      )}
    </>
  );
}

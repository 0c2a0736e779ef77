// A small plot over windows or weeks. What it shows stands in a table too.

import { brief } from "./format.ts";
import { type Point, path, topOf } from "./scale.ts";

const [WIDTH, HEIGHT] = [320, 150];
const [LEFT, RIGHT, TOP, BOTTOM] = [38, 312, 10, 126];

interface Series {
  name: string;
  points: Point[];
}

interface Props {
  title: string;
  labels: string[];
  series: Series[];
  bars?: boolean;
  top?: number;
}

export function Plot({ title, labels, series, bars = false, top }: Props) {
  const values = series.flatMap(({ points }) => points.map((one) => one.high ?? one.value ?? 0));
  const most = top ?? topOf(Math.max(...values));
  const step = (RIGHT - LEFT) / labels.length;
  const x = (place: number) => LEFT + (place + 0.5) * step;
  const y = (value: number) => BOTTOM - (value / most) * (BOTTOM - TOP);
  return (
    <figure className="plot">
      <figcaption>
        <b>{title}</b>
        {series.length > 1 &&
          series.map(({ name }, n) => (
            <span key={name} className={`series-${n}`}>
              <i aria-hidden="true" /> {name}
            </span>
          ))}
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        {[0, most / 2, most].map((value) => (
          <g key={value}>
            <line className="grid" x1={LEFT} x2={RIGHT} y1={y(value)} y2={y(value)} />
            <text x={LEFT - 5} y={y(value) + 4} textAnchor="end">
              {brief(value)}
            </text>
          </g>
        ))}
        {series.map(({ name, points }, n) => (
          <g key={name} className={`series-${n}`}>
            {bars ? (
              <Bars points={points} x={x} y={y} wide={(step * 0.7) / series.length} turn={n} />
            ) : (
              <Line points={points} x={x} y={y} />
            )}
          </g>
        ))}
        {labels.map((label, place) => {
          const every = Math.ceil(labels.length / 6);
          return (labels.length - 1 - place) % every === 0 ? (
            <text key={label} x={x(place)} y={HEIGHT - 8} textAnchor="middle">
              {label}
            </text>
          ) : null;
        })}
      </svg>
    </figure>
  );
}

interface Placed {
  points: Point[];
  x: (place: number) => number;
  y: (value: number) => number;
}

function Bars({ points, x, y, wide, turn }: Placed & { wide: number; turn: number }) {
  return points.map(({ value }, place) => (
    <rect
      key={x(place)}
      x={x(place) + (turn - 1) * wide}
      width={wide}
      y={y(value ?? 0)}
      height={y(0) - y(value ?? 0)}
    />
  ));
}

function Line({ points, x, y }: Placed) {
  return (
    <>
      <path
        d={path(points.map(({ value }, place) => (value === null ? null : [x(place), y(value)])))}
      />
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

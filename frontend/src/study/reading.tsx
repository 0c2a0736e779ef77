// What the model says of one image, and why to doubt it.

import type { Image, Model, OperatingPoint, Reading } from "../api/types.ts";
import { percent } from "../shell/format.ts";
import type { Layer } from "./use-layer.ts";

interface Props {
  image: Image;
  model: Model | undefined;
  layer: Layer;
  mapped: boolean;
}

export function ReadingPanel({ image, model, layer, mapped }: Props) {
  const { reading } = image;
  return (
    <section className="reading" aria-labelledby="reading-heading">
      <h2 id="reading-heading">Reading</h2>
      {image.withheld && (
        <p className="notice">
          This site is in shadow mode: radiographs are read, and readings are not shown here until
          an administrator displays them.
        </p>
      )}
      {!image.withheld && reading === null && <p>Waits to be read.</p>}
      {reading && <Said reading={reading} model={model} />}
      {mapped && reading?.has_heatmap && <Legend layer={layer} />}
    </section>
  );
}

function Said({ reading, model }: { reading: Reading; model: Model | undefined }) {
  const same = model?.bundle === reading.bundle;
  return (
    <>
      {reading.probability === null ? (
        <p className={`verdict ${reading.status}`}>
          <strong>Not scored</strong> <span>{reading.status}</span>
        </p>
      ) : (
        <p className={`verdict ${reading.finding}`}>
          <strong>{percent(reading.probability)}</strong>{" "}
          <span>
            {reading.finding} <small>at {reading.operating_point}</small>
          </span>
        </p>
      )}
      {reading.probability !== null && same && (
        <Scale probability={reading.probability} point={model.operating_point} />
      )}
      <Doubts reading={reading} />
      {model && !same && (
        <p className="notice">
          Read by another model, {reading.bundle}; what is said below is of the one in use now.
        </p>
      )}
    </>
  );
}

function Scale({ probability, point }: { probability: number; point: OperatingPoint }) {
  const at = (share: number) => `${share * 100}%`;
  return (
    <div className="scale">
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect className="track" x="0" y="3" width="100" height="4" />
        <rect
          className="band"
          x={point.low * 100}
          y="3"
          width={Math.max(0.5, (point.high - point.low) * 100)}
          height="4"
        />
        <rect
          className="threshold"
          x={point.threshold * 100 - 0.25}
          y="0"
          width="0.5"
          height="10"
        />
      </svg>
      <i style={{ left: at(probability) }} aria-hidden="true" />
      <p>
        The threshold is {percent(point.threshold)}; from {percent(point.low)} to{" "}
        {percent(point.high)} the finding is uncertain.
      </p>
    </div>
  );
}

function Doubts({ reading }: { reading: Reading }) {
  const others = reading.quality.filter((one) => !reading.reasons.includes(one.message));
  if (reading.reasons.length + others.length === 0) {
    return <p className="small">The quality gate found nothing against this radiograph.</p>;
  }
  return (
    <ul className="doubts">
      {reading.reasons.map((reason) => (
        <li key={reason} className={reading.status}>
          {reason}
        </li>
      ))}
      {others.map((one) => (
        <li key={one.code} className={one.severity}>
          {one.message}
        </li>
      ))}
    </ul>
  );
}

function Legend({ layer }: { layer: Layer }) {
  if (layer.scale === null) {
    return <p className="small">Loading the heat map.</p>;
  }
  const { low, high } = layer.scale;
  if (low === null || high === null) {
    return <p className="legend">Heat map: nothing speaks for pneumonia enough to be shown.</p>;
  }
  return (
    <div className="legend">
      <p>Heat map: what speaks for pneumonia, in log-odds, were all of it like the place</p>
      <div className="ramp" aria-hidden="true" />
      <p className="ends">
        <span>{low.toFixed(1)}</span>
        <span>{high.toFixed(1)}</span>
      </p>
    </div>
  );
}

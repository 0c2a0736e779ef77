// The reading of one image, with the reasons to doubt it.

import type { Image, Model, OperatingPoint, Reading } from "../api/schema.d.ts";
import { formatProbability, isRead } from "../shell/format.ts";
import type { HeatMap } from "./use-heat-map.ts";

interface Props {
  image: Image;
  /** The models in use. */
  models: Model[];
  heatMap: HeatMap;
  heatMapShown: boolean;
}

export function ReadingPanel({ image, models, heatMap, heatMapShown }: Props) {
  const { reading } = image;
  return (
    <section className="reading" aria-labelledby="reading-heading">
      <h2 id="reading-heading">Reading</h2>
      {image.opinion_first && (
        <p className="notice">
          Save your own opinion of each image of this study first; then its readings are shown here.
        </p>
      )}
      {image.withheld && !image.opinion_first && (
        <p className="notice">
          This site is in shadow mode: radiographs are read, but readings are hidden until an
          administrator displays them. Your own opinion, given without them, measures how good they
          are.
        </p>
      )}
      {!image.withheld && reading === null && <p>Waiting to be read.</p>}
      {reading && <Result reading={reading} models={models} />}
      {heatMapShown && reading?.has_heatmap && <Legend heatMap={heatMap} />}
    </section>
  );
}

function Result({ reading, models }: { reading: Reading; models: Model[] }) {
  const model = models.find(({ bundle }) => bundle === reading.bundle);
  return (
    <>
      {reading.probability === null ? (
        <p className={`result ${reading.status}`}>
          <strong>Not read</strong>
        </p>
      ) : (
        <p className={`result ${reading.finding}`}>
          <strong>{formatProbability(reading.probability)}</strong>{" "}
          <span>
            {reading.finding} <small>at {reading.operating_point}</small>
          </span>
        </p>
      )}
      {reading.probability !== null && model && (
        <ProbabilityScale probability={reading.probability} point={model.operating_point} />
      )}
      {reading.assumed_population && isRead(reading) && (
        <p className="notice">
          The patient's age is unknown. Read with the model for {reading.assumed_population}, by the
          setting of this site.
        </p>
      )}
      <Doubts reading={reading} />
      {models.length > 0 && !model && (
        <p className="notice">
          Read with another model, {reading.bundle}; the limits below are those of the models in use
          now.
        </p>
      )}
    </>
  );
}

interface ScaleProps {
  probability: number;
  point: OperatingPoint;
}

/** The probability on a scale from 0 to 1, with the threshold and the uncertain range. */
function ProbabilityScale({ probability, point }: ScaleProps) {
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
      <i style={{ left: `${probability * 100}%` }} aria-hidden="true" />
      <p>
        Threshold {formatProbability(point.threshold)}; uncertain from{" "}
        {formatProbability(point.low)} to {formatProbability(point.high)}.
      </p>
    </div>
  );
}

/** The reasons of the reading, and the other findings about the image. */
function Doubts({ reading }: { reading: Reading }) {
  const findings = reading.quality.filter(({ message }) => !reading.reasons.includes(message));
  if (reading.reasons.length + findings.length === 0) {
    return <p className="small">The quality gate found no problem with this radiograph.</p>;
  }
  return (
    <ul className="doubts">
      {reading.reasons.map((reason) => (
        <li key={reason} className={reading.status}>
          {reason}
        </li>
      ))}
      {findings.map(({ code, severity, message }) => (
        <li key={code} className={severity}>
          {message || code.replaceAll("_", " ") /* the words of a purged study are gone */}
        </li>
      ))}
    </ul>
  );
}

function Legend({ heatMap }: { heatMap: HeatMap }) {
  if (heatMap.highlights === null) {
    return <p className="small">Loading the heat map.</p>;
  }
  const { low, high } = heatMap.highlights;
  if (low === null || high === null) {
    return (
      <p className="legend">
        Heat map: no region suggests pneumonia strongly enough to be highlighted.
      </p>
    );
  }
  return (
    <div className="legend">
      <p>
        Heat map: log-odds of pneumonia that the model would give if the whole image looked like the
        highlighted place. It shows what the model used, not where the disease is.
      </p>
      <div className="ramp" aria-hidden="true" />
      <p className="ends">
        <span>{low.toFixed(1)}</span>
        <span>{high.toFixed(1)}</span>
      </p>
    </div>
  );
}

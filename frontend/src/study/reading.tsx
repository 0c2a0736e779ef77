// The reading of one image, with the reasons to doubt it.

import type { Image, Model, OperatingPoint, Reading } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { findingClass, formatProbability, isRead } from "../shell/format.ts";
import type { HeatMap } from "./use-heat-map.ts";

interface Props {
  image: Image;
  /** The networks in use, with their limits. */
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
      {heatMapShown && reading?.has_heatmap && <Legend reading={reading} heatMap={heatMap} />}
    </section>
  );
}

function Result({ reading, models }: { reading: Reading; models: Model[] }) {
  const model = models.find(({ bundle }) => bundle === reading.bundle);
  return (
    <>
      {reading.finding === null || reading.probability === null ? (
        <p className={`result ${reading.status}`}>
          <strong>Not read</strong>
        </p>
      ) : (
        <Finding reading={reading} finding={reading.finding} probability={reading.probability} />
      )}
      <p className="purpose">
        {model && `For ${model.applies_to}. `}Second opinion of software: not a diagnosis, and not a
        medical device.
      </p>
      {reading.assumed_population && isRead(reading) && (
        <p className="notice">
          The patient's age is unknown. Read with the network for {reading.assumed_population}, by
          the setting of this site.
        </p>
      )}
      <Doubts reading={reading} />
      {reading.probability !== null && model && (
        <ProbabilityScale probability={reading.probability} point={model.operating_point} />
      )}
      {models.length > 0 && !model && (
        <p className="notice">
          {isRead(reading) ? "Read" : "Refused"} by another network, {reading.bundle}; the limits
          below are those of the networks in use now.
        </p>
      )}
    </>
  );
}

interface FindingProps {
  reading: Reading;
  finding: NonNullable<Reading["finding"]>;
  probability: number;
}

/** The finding, how sure it is, and what it means at the site's prevalence. */
function Finding({ reading, finding, probability }: FindingProps) {
  const isLow = reading.low_confidence.includes(reading.operating_point);
  return (
    <>
      <p className={`result ${findingClass(finding)}`}>
        <strong>{finding}</strong>
        {isLow && finding !== "uncertain" && <span className="low-confidence">low confidence</span>}
      </p>
      {reading.post_test ? (
        <p className="meaning">{reading.post_test.words.replace(/^of/, "Of")}.</p>
      ) : (
        finding !== "uncertain" && (
          <p className="meaning">How often such a finding is right was not measured.</p>
        )
      )}
      <p className="small">
        Other findings were not looked for. Probability {formatProbability(probability)}, at the
        operating point {reading.operating_point}.
      </p>
    </>
  );
}

interface ScaleProps {
  probability: number;
  point: OperatingPoint;
}

/** The probability on a scale from 0 to 1, with the threshold and the range of low confidence. */
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
        Pneumonia is suspected from {formatProbability(point.threshold)}; low confidence from{" "}
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

function Legend({ reading, heatMap }: { reading: Reading; heatMap: HeatMap }) {
  if (heatMap.error) {
    return <ErrorMessage error={`The heat map cannot be shown: ${heatMap.error}`} />;
  }
  if (heatMap.highlights === null) {
    return <p className="small">Loading the heat map.</p>;
  }
  const { low, high } = heatMap.highlights;
  if (low === null || high === null) {
    return (
      <p className="legend">
        {reading.finding === "pneumonia suspected"
          ? "Heat map: no place speaks for pneumonia strongly enough to be highlighted."
          : "No heat map, since pneumonia is not suspected."}
      </p>
    );
  }
  return (
    <div className="legend">
      <p>
        Heat map: what the network used, not where the disease is. The colours mean the same on
        every image: log-odds of pneumonia if the whole image looked like the place.
      </p>
      <div className="ramp" aria-hidden="true" />
      <p className="ends">
        <span>weak ({low.toFixed(0)})</span>
        <span>strong ({high.toFixed(0)} or more)</span>
      </p>
    </div>
  );
}

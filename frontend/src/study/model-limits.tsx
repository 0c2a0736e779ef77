// A network in use: its limits, its training population and its measured accuracy.

import { useId } from "react";
import type { Model } from "../api/schema.d.ts";
import { formatEstimate } from "../shell/format.ts";

const METRICS: [string, string][] = [
  ["sensitivity", "Sensitivity"],
  ["specificity", "Specificity"],
  ["lr_positive", "Likelihood ratio if suspected"],
  ["lr_negative", "Likelihood ratio if no sign"],
];

export function ModelLimits({ model }: { model: Model }) {
  const point = model.operating_point;
  const heading = useId();
  return (
    <section className="limits" aria-labelledby={heading}>
      <h2 id={heading}>The network for {model.applies_to} and its limits</h2>
      {model.notice && <p className="notice">{model.notice}</p>}
      <ul>
        {model.limitations.map((limitation) => (
          <li key={limitation}>{limitation}</li>
        ))}
      </ul>
      <details>
        <summary>
          {model.name}, operating point {point.name}
        </summary>
        <p>{model.intended_use}</p>
        <p>Training population: {model.population}.</p>
        <p>Threshold rule: {point.rule}.</p>
        {Object.keys(point.metrics).length === 0 ? (
          <p>
            This server gives no finding with low confidence, and the bundle does not state what
            that makes of its figures.
          </p>
        ) : (
          <table>
            <caption>
              Findings as shown here, measured on the {point.measured_on} images
              {point.prevalence !== null &&
                `, of which ${(100 * point.prevalence).toFixed(0)} % have pneumonia`}
              ; with 95 % intervals
            </caption>
            <tbody>
              {METRICS.map(([metric, name]) => (
                <tr key={metric}>
                  <th scope="row">{name}</th>
                  <td>{formatEstimate(point.metrics[metric])}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </details>
    </section>
  );
}

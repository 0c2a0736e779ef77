// A model in use: its limits, its training population and its measured accuracy.

import { useId } from "react";
import type { Model } from "../api/schema.d.ts";
import { formatEstimate } from "../shell/format.ts";

const METRICS: [string, string][] = [
  ["sensitivity", "Sensitivity"],
  ["specificity", "Specificity"],
  ["ppv", "Positive predictive value"],
];

export function ModelLimits({ model }: { model: Model }) {
  const point = model.operating_point;
  const heading = useId();
  return (
    <section className="limits" aria-labelledby={heading}>
      <h2 id={heading}>The model for {model.applies_to} and its limits</h2>
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
        <table>
          <caption>Measured on the {point.measured_on} images, with 95 % intervals</caption>
          <tbody>
            {METRICS.map(([metric, name]) => (
              <tr key={metric}>
                <th scope="row">{name}</th>
                <td>{formatEstimate(point.metrics[metric])}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}

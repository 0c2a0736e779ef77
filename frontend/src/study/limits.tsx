// What the model is, and what it must not be trusted with.

import type { Figure, Model } from "../api/types.ts";

const FIGURES: [string, string][] = [
  ["recall", "Sensitivity"],
  ["specificity", "Specificity"],
  ["precision", "Positive predictive value"],
];

export function Limits({ model }: { model: Model }) {
  const point = model.operating_point;
  return (
    <section className="limits" aria-labelledby="limits-heading">
      <h2 id="limits-heading">The model and its limits</h2>
      {model.notice && <p className="notice">{model.notice}</p>}
      <ul>
        {model.limitations.map((one) => (
          <li key={one}>{one}</li>
        ))}
      </ul>
      <details>
        <summary>
          {model.name}, at the operating point {point.name}
        </summary>
        <p>{model.intended_use}</p>
        <p>Learned from: {model.population}.</p>
        <p>Rule: {point.rule}.</p>
        <table>
          <caption>On {point.measured_on} images, with 95 % intervals</caption>
          <tbody>
            {FIGURES.map(([key, name]) => (
              <tr key={key}>
                <th scope="row">{name}</th>
                <td>{told(point.figures[key])}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}

function told(figure: Figure | undefined): string {
  if (!figure || figure.value === null) {
    return "not measured";
  }
  const [value, low, high] = [figure.value, figure.low, figure.high].map((one) =>
    one === null ? "?" : one.toFixed(3),
  );
  return `${value} (${low} to ${high})`;
}

// What people say of the readings, and the accuracy that follows from it.

import type { Accuracy, Overview } from "../api/monitoring.ts";
import { span, told, until } from "./format.ts";
import { Plot } from "./plot.tsx";
import { Wide } from "./wide.tsx";

export function Opinions({ found: { agreement, accuracy, operating_point } }: { found: Overview }) {
  const points = agreement.map(({ agree: { estimate } }) => ({
    value: estimate.value,
    ...estimate.interval,
  }));
  const lines: [string, Accuracy][] = [
    ["Among the judged alone", accuracy.among_judged],
    ["Corrected for who was judged", accuracy.corrected],
  ];
  return (
    <section aria-labelledby="opinions">
      <h2 id="opinions">What people say of the readings</h2>
      <div className="plots">
        <Plot
          title="Share of patients with whose reading people agree, by week"
          labels={agreement.map((one) => until(one.days))}
          series={[{ name: "agree", points }]}
          top={1}
        />
      </div>
      <details>
        <summary>The figures</summary>
        <Wide name="Agreement by week">
          <table className="windows">
            <caption>One opinion a patient, the first; of those who agree or disagree</caption>
            <thead>
              <tr>
                <th scope="col">Days</th>
                <th scope="col">Judged</th>
                <th scope="col">Agree</th>
                <th scope="col">Not sure</th>
              </tr>
            </thead>
            <tbody>
              {agreement.map((one) => (
                <tr key={one.days.last}>
                  <th scope="row">{span(one.days)}</th>
                  <td>{one.agree.whole}</td>
                  <td>{told(one.agree.estimate)}</td>
                  <td>{one.uncertain}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      </details>
      <table className="accuracy">
        <caption>
          {accuracy.judged} of {accuracy.patients} patients judged, at {operating_point}; with 95 %
          intervals
        </caption>
        <thead>
          <tr>
            <th scope="col">Patients</th>
            <th scope="col">Sensitivity</th>
            <th scope="col">Specificity</th>
          </tr>
        </thead>
        <tbody>
          {lines.map(([name, one]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{told(one.sensitivity)}</td>
              <td>{told(one.specificity)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="notice">
        Take these with care: who judged had seen the reading, and chose what to judge. Neither line
        is the sensitivity of a study in which all patients were judged by people who did not know
        the reading.
      </p>
    </section>
  );
}

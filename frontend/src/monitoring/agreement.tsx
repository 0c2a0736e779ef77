// Agreement of the clinicians with the readings, and the accuracy estimated from their judgements.

import type { Agreement, DiagnosticAccuracy, MonitoringOverview } from "../api/schema.d.ts";
import { formatEstimate } from "../shell/format.ts";
import { formatDays, lastDay } from "./monitoring-format.ts";
import { Plot } from "./plot.tsx";
import { Scrollable } from "./scrollable.tsx";

export function AgreementSection({ overview }: { overview: MonitoringOverview }) {
  const { agreement } = overview;
  return (
    <section aria-labelledby="agreement">
      <h2 id="agreement">Agreement of clinicians with the readings</h2>
      <div className="plots">
        <Plot
          title="Proportion of patients with agreement, by week"
          labels={agreement.map(({ days }) => lastDay(days))}
          series={[
            {
              name: "having seen the reading",
              points: agreement.map(({ agree }) => agree.estimate),
            },
            {
              name: "blind",
              points: agreement.map(({ blind_agree }) => blind_agree.estimate),
            },
          ]}
          top={1}
        />
      </div>
      <details>
        <summary>Table by week</summary>
        <AgreementTable weeks={agreement} />
      </details>
      <AccuracyTable overview={overview} />
      <p className="notice">
        Answers of those who have seen the reading are biased towards agreement; opinions given
        blind, before it was shown, are not. Clinicians chose which patients to judge, so that no
        line replaces a study in which all patients are judged by clinicians who do not know the
        reading.
      </p>
    </section>
  );
}

function AgreementTable({ weeks }: { weeks: Agreement[] }) {
  return (
    <Scrollable name="Agreement by week">
      <table className="periods">
        <caption>
          First judgement of each patient; agreement among those who agree or disagree
        </caption>
        <thead>
          <tr>
            <th scope="col">Days</th>
            <th scope="col">Judged having seen the reading</th>
            <th scope="col">Agree, having seen it</th>
            <th scope="col">Not sure, having seen it</th>
            <th scope="col">Judged blind</th>
            <th scope="col">Agree, blind</th>
            <th scope="col">Not sure, blind</th>
            <th scope="col">Changed their mind</th>
          </tr>
        </thead>
        <tbody>
          {weeks.map((week) => (
            <tr key={week.days.last}>
              <th scope="row">{formatDays(week.days)}</th>
              <td>{week.agree.whole}</td>
              <td>{formatEstimate(week.agree.estimate)}</td>
              <td>{week.uncertain}</td>
              <td>{week.blind_agree.whole}</td>
              <td>{formatEstimate(week.blind_agree.estimate)}</td>
              <td>{week.blind_uncertain}</td>
              <td>
                {week.changed.part} of {week.changed.whole}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrollable>
  );
}

function AccuracyTable({
  overview: { accuracy, operating_point },
}: {
  overview: MonitoringOverview;
}) {
  const rows: [string, DiagnosticAccuracy][] = [
    ["Among the judged patients", accuracy.among_judged],
    ["Corrected for verification bias", accuracy.corrected],
  ];
  return (
    <table className="accuracy">
      <caption>
        {accuracy.judged} of {accuracy.patients} patients judged, {accuracy.blind} of them blind; at
        operating point {operating_point}, with 95 % intervals
        {accuracy.uncertain > 0 &&
          `; ${accuracy.uncertain} with an uncertain finding count as neither found nor cleared`}
      </caption>
      <thead>
        <tr>
          <th scope="col">Patients</th>
          <th scope="col">Sensitivity</th>
          <th scope="col">Specificity</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, { sensitivity, specificity }]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{formatEstimate(sensitivity)}</td>
            <td>{formatEstimate(specificity)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

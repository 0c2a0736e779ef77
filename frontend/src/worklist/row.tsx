import type { Study } from "../api/types.ts";
import { ago, foremost, identifier, moment, patientName, percent } from "../shell/format.ts";
import { Link } from "../shell/router.tsx";

const STATUS = { new: "New", read: "Read", reviewed: "Reviewed" };

export function Row({ study }: { study: Study }) {
  const { patient } = study;
  const known = [identifier(patient), patient.birth_date, patient.sex].filter(Boolean).join(" · ");
  return (
    <tr className={`study ${study.status}`}>
      <td className="urgency">
        <Urgency study={study} />
      </td>
      <th scope="row" className="patient">
        <Link href={`/studies/${study.id}`}>
          <bdi>{patientName(patient)}</bdi>
        </Link>
        <small>{known || study.images[0]?.name}</small>
      </th>
      <td className="accession">{study.accession}</td>
      <td className="remarks">{remarks(study)}</td>
      <td className="images">
        {study.images.length}
        <span className="unit"> {study.images.length === 1 ? "image" : "images"}</span>
      </td>
      <td className="received" title={moment(study.received)}>
        {ago(study.received, Date.now())}
      </td>
      <td className="status">
        <span className={`chip ${study.status}`}>{STATUS[study.status]}</span>
      </td>
    </tr>
  );
}

function Urgency({ study }: { study: Study }) {
  if (study.withheld) {
    return <span className="muted">hidden</span>;
  }
  if (study.probability === null) {
    return <span className="muted">{study.status === "new" ? "waiting" : "not scored"}</span>;
  }
  const finding = foremost(study)?.reading?.finding ?? "uncertain";
  return (
    <span className={`finding ${finding}`}>
      <meter min={0} max={1} value={study.probability} aria-label="Probability of pneumonia" />
      <strong>{percent(study.probability)}</strong>
      <small>{finding}</small>
    </span>
  );
}

const MOST_REMARKS = 2; // of a study; it tells all of them itself

/** Why images were rejected, or are to be doubted, each reason once. */
function remarks(study: Study) {
  const said = new Map<string, string>();
  for (const { reading } of study.images) {
    for (const reason of reading?.reasons ?? []) {
      said.set(reason, reading?.status ?? "");
    }
  }
  const more = said.size - MOST_REMARKS;
  return (
    <>
      {[...said].slice(0, MOST_REMARKS).map(([reason, status]) => (
        <span key={reason} className={`remark ${status}`} title={reason}>
          <b>{status}</b> {reason}
        </span>
      ))}
      {more > 0 && <small>and {more} more</small>}
    </>
  );
}

import type { Reading, Study } from "../api/schema.d.ts";
import { studyPath } from "../routes.ts";
import {
  formatAge,
  formatProbability,
  formatTime,
  isRead,
  mostUrgentImage,
  patientDetails,
  patientName,
} from "../shell/format.ts";
import { Link } from "../shell/router.tsx";

const STATUS = { new: "New", read: "Read", reviewed: "Reviewed" };

const MAX_REMARKS = 2; // the study's own page shows all

export function Row({ study }: { study: Study }) {
  const { patient, images } = study;
  const details = patientDetails(study);
  return (
    <tr className={`study ${study.status}`}>
      <td className="urgency">
        <Urgency study={study} />
      </td>
      <th scope="row" className="patient">
        <Link href={studyPath(study.id)}>
          <bdi>{patientName(patient)}</bdi>
        </Link>
        <small>{details.join(" · ") || images[0]?.name}</small>
        {study.conflict && <small className="conflict">needs a person: {study.conflict}</small>}
      </th>
      <td className="accession">{study.accession}</td>
      <td className="remarks">
        <Remarks study={study} />
      </td>
      <td className="images">
        {images.length}
        <span className="unit"> {images.length === 1 ? "image" : "images"}</span>
      </td>
      <td className="received" title={formatTime(study.received)}>
        {formatAge(study.received, Date.now())}
      </td>
      <td className="status">
        <span className={`chip ${study.status}`}>{statusOf(study)}</span>
      </td>
    </tr>
  );
}

/** The status, without calling a study read whose images the network did not read. */
function statusOf({ status, probability, withheld }: Study): string {
  return status === "read" && probability === null && !withheld ? "Not read" : STATUS[status];
}

/** The probability of pneumonia by which the worklist is sorted, or why there is none. */
function Urgency({ study }: { study: Study }) {
  if (study.withheld) {
    return <span className="muted">hidden</span>;
  }
  if (study.probability === null) {
    return <span className="muted">{study.status === "new" ? "waiting" : "not read"}</span>;
  }
  const finding = mostUrgentImage(study)?.reading?.finding ?? "uncertain";
  return (
    <span className={`finding ${finding}`}>
      <meter min={0} max={1} value={study.probability} aria-label="Probability of pneumonia" />
      <strong>{formatProbability(study.probability)}</strong>
      <small>{finding}</small>
    </span>
  );
}

/** The reasons why images were not read or were flagged, each once. */
function Remarks({ study }: { study: Study }) {
  const readingOfReason = new Map<string, Reading>();
  for (const { reading } of study.images) {
    for (const reason of reading?.reasons ?? []) {
      readingOfReason.set(reason, reading as Reading);
    }
  }
  const hiddenCount = readingOfReason.size - MAX_REMARKS;
  return (
    <>
      {[...readingOfReason].slice(0, MAX_REMARKS).map(([reason, reading]) => (
        <span key={reason} className={`remark ${reading.status}`} title={reason}>
          <b>{isRead(reading) ? reading.status : "not read"}:</b> {reason}
        </span>
      ))}
      {hiddenCount > 0 && <small>and {hiddenCount} more</small>}
    </>
  );
}

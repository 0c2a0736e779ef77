import type { Reading, Study } from "../api/schema.d.ts";
import { studyPath } from "../routes.ts";
import {
  findingClass,
  formatAge,
  formatProbability,
  formatTime,
  isRead,
  mostUrgentImage,
  patientDetails,
  patientName,
} from "../shell/format.ts";
import { Link } from "../shell/router.tsx";

/** `status_text` that names a reason. */
const WITH_REASON = /^(needs a person|(?:\d+ of \d+ images )?not read): /;
const MAX_REMARKS = 2; // the study's own page shows all

interface Props {
  study: Study;
  showSite: boolean;
}

export function Row({ study, showSite }: Props) {
  const { patient, images } = study;
  const examined = study.acquired ?? study.study_date;
  const details = patientDetails(patient, null);
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
        {study.conflict && <small className="conflict">{study.conflict}</small>}
      </th>
      <td className="age">{study.age}</td>
      <td className="study-date">
        {(examined === null ? [] : formatTime(examined).split(" ")).map((part) => (
          <span key={part}>{part} </span>
        ))}
      </td>
      <td className="images">{imagesOf(study)}</td>
      <td className="accession">{study.accession}</td>
      {showSite && <td className="site">{study.site}</td>}
      <td className="remarks">
        <Remarks study={study} />
      </td>
      <td className="received" title={formatTime(study.received)}>
        {formatAge(study.received, Date.now())}
      </td>
      <td className="status">
        <span
          className={`chip ${study.in_review_by.length > 0 ? "open" : study.status}`}
          title={study.status_text}
        >
          {progressOf(study)}
        </span>
      </td>
    </tr>
  );
}

/** The progress of a study, without the reason where that stands in the same row already. */
function progressOf({ status_text, conflict, images }: Study): string {
  const hasRemarks = images.some(({ reading }) => reading && reading.reasons.length > 0);
  const progress = conflict === null && !hasRemarks ? null : WITH_REASON.exec(status_text);
  return progress?.[1] ?? status_text;
}

/** The number of images and their views, and how many of several were not read. */
function imagesOf({ images }: Study): string {
  const views = new Set(images.map(({ reading }) => reading?.view).filter(Boolean));
  const count = images.length === 1 ? "1 image" : `${images.length} images`;
  const unreadCount = images.filter(({ reading }) => reading && !isRead(reading)).length;
  const unread = images.length > 1 && unreadCount > 0 && `${unreadCount} not read`;
  return [count, [...views].join(", "), unread].filter(Boolean).join(" · ");
}

/** The probability of pneumonia by which the worklist is sorted, or why there is none. */
function Urgency({ study }: { study: Study }) {
  if (study.withheld) {
    return <span className="muted">hidden</span>;
  }
  if (study.probability === null) {
    return <span className="muted">{isWaiting(study) ? "waiting" : "not read"}</span>;
  }
  const reading = mostUrgentImage(study)?.reading;
  return (
    <span className={`finding ${reading?.finding ? findingClass(reading.finding) : ""}`}>
      <meter min={0} max={1} value={study.probability} aria-label="Probability of pneumonia" />
      <strong>{formatProbability(study.probability)}</strong>
      <small>{reading?.description}</small>
    </span>
  );
}

function isWaiting({ images }: Study): boolean {
  return images.some(({ state }) => state === "waiting");
}

/** The reasons why images were not read or were flagged, each once; those not read come first. */
function Remarks({ study: { images } }: { study: Study }) {
  const labelOfReason = new Map<string, [string, Reading]>();
  const unreadFirst = images
    .flatMap(({ reading }, place) => (reading ? [{ reading, place }] : []))
    .toSorted((first, second) => Number(isRead(first.reading)) - Number(isRead(second.reading)));
  for (const { reading, place } of unreadFirst) {
    const image = images.length > 1 ? `image ${place + 1} ` : "";
    for (const reason of reading.reasons) {
      const label = isRead(reading) ? reading.status : `${image}not read`;
      labelOfReason.set(`${label}: ${reason}`, [label, reading]);
    }
  }
  const hiddenCount = labelOfReason.size - MAX_REMARKS;
  return (
    <>
      {[...labelOfReason].slice(0, MAX_REMARKS).map(([remark, [label, reading]]) => (
        <span key={remark} className={`remark ${reading.status}`}>
          <b>{label}:</b>
          {remark.slice(label.length + 1)}
        </span>
      ))}
      {hiddenCount > 0 && <small>and {hiddenCount} more</small>}
    </>
  );
}

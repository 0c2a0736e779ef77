// Whose radiograph is shown, where two are side by side: never to be guessed from the place alone.

import type { Image, Patient, Study } from "../api/schema.d.ts";
import { formatProbability, patientDetails, patientName, studyTime } from "../shell/format.ts";

interface Props {
  which: "Current" | "Prior";
  study: Study;
  image: Image;
  /** The other patient; a difference is shown. */
  other: Patient;
  /** Why a person must check that a prior is of the same patient. */
  caution?: string | null;
}

export function IdentityBar({ which, study, image, other, caution }: Props) {
  const { patient } = study;
  const differences = differencesOf(patient, other);
  return (
    <header className="identity">
      <p>
        <strong>{which}</strong> <bdi>{patientName(patient)}</bdi>{" "}
        <span>
          {[
            ...patientDetails(patient, study.age),
            patient.birth_date === null && "birth date unknown",
            studyTime(study),
            findingText(image),
          ]
            .filter(Boolean)
            .join(" · ")}
        </span>
      </p>
      {caution && (
        <p role="alert" className="mismatch">
          {caution}
        </p>
      )}
      {which === "Prior" && differences.length > 0 && (
        <p role="alert" className="mismatch">
          Check the patient: {differences.join(" and ")}{" "}
          {differences.length > 1 ? "differ" : "differs"} from the current study.
        </p>
      )}
    </header>
  );
}

function differencesOf(first: Patient, second: Patient): string[] {
  const plain = (patient: Patient) => patientName(patient).toLocaleLowerCase();
  return [
    first.name && second.name && plain(first) !== plain(second) && "name",
    differs(first.birth_date, second.birth_date) && "birth date",
    differs(first.sex, second.sex) && "sex",
  ].filter((difference) => typeof difference === "string");
}

function differs(first: string | null, second: string | null): boolean {
  return first !== null && second !== null && first !== second;
}

/** Return an image's own finding in words, or why there is none. */
function findingText({ withheld, opinion_first, reading }: Image): string {
  if (withheld) {
    return opinion_first
      ? "reading hidden until you have saved your opinion"
      : "reading hidden (shadow mode)";
  }
  if (reading === null) {
    return "waiting to be read";
  }
  return reading.probability === null
    ? `not read: ${reading.reasons[0]?.split(";")[0] ?? reading.status}`
    : `${reading.description}, ${formatProbability(reading.probability)}`;
}

import { useEffect, useRef } from "react";
import type { RequestMetadata } from "../api/schema.d.ts";
import { formatTime, patientName } from "../shell/format.ts";
import { type CollectedFile, isPicture } from "./collect-files.ts";

interface Props {
  files: CollectedFile[];
  metadata: RequestMetadata;
  site: string;
  send: () => void;
  cancel: () => void;
}

/** The patient, large, and what becomes of the files, before anything is sent. */
export function ConfirmPatient({ files, metadata, site, send, cancel }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const { patient_id = null, patient_name = null, birth_date, age, sex, accession } = metadata;
  const isNamed = patient_id !== null || patient_name !== null;
  const name = patientName({
    id: patient_id,
    name: patient_name,
    issuer: null,
    birth_date: null,
    sex: null,
  });
  const details = [
    patient_name && (patient_id ?? "patient ID not stated: no earlier studies can be found"),
    birth_date && `born ${formatTime(birth_date)}`,
    !birth_date && (age ?? null) === null && "age not stated: pictures may not be read",
    age !== undefined && age !== null && `${age} years when it was taken`,
    sex,
    accession && `accession number ${accession}`,
    `site ${site}`,
  ].filter(Boolean);
  const pictures = files.filter(({ path }) => isPicture(path)).length;
  const others = files.length - pictures;
  return (
    <section className="confirm" aria-labelledby="confirm">
      <h2 id="confirm" ref={heading} tabIndex={-1}>
        Are these files of this patient?
      </h2>
      <p className="patient-name">
        <bdi>{isNamed ? name : "No patient is named"}</bdi>
      </p>
      <p>{details.join(" · ")}</p>
      <ul>
        {pictures > 0 && (
          <li>
            {counted(pictures, "picture")}:{" "}
            {isNamed
              ? "each becomes a study of this patient"
              : "each becomes a study of an unknown patient"}
          </li>
        )}
        {others > 0 && (
          <li>{counted(others, "other file")}: a DICOM file is filed under the patient it names</li>
        )}
      </ul>
      <div className="choose">
        <button type="button" className="main" onClick={send}>
          {files.length === 1 ? "Yes, send the file" : `Yes, send ${files.length} files`}
        </button>
        <button type="button" onClick={cancel}>
          No, send nothing
        </button>
      </div>
    </section>
  );
}

function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

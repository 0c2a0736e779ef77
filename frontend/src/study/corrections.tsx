// Corrections by reviewers: the patient of a study or of one image, and images sent by mistake.

import { useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { NewWithdrawal, PatientUpdate, Session, Study } from "../api/schema.d.ts";
import { studyPath } from "../routes.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { handleSubmit, textOf } from "../shell/form.ts";
import { formatTime } from "../shell/format.ts";
import { navigate } from "../shell/router.tsx";
import { useAction } from "../shell/use-action.ts";
import { useRequest } from "../shell/use-request.ts";
import "../style/corrections.css";

type Reason = NewWithdrawal["reason"];

const REASONS: Reason[] = ["wrong patient", "wrong file", "duplicate", "other"];

interface Props {
  study: Study;
  changed: () => void;
}

export function mayCorrect({ role }: Session): boolean {
  return role === "reviewer" || role === "administrator";
}

/** The forms, folded away until they are needed. */
export function Corrections({ study, changed }: Props) {
  const [shown, setShown] = useState(false);
  return (
    <details className="corrections" onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>Correct the patient, or withdraw an image</summary>
      {shown && (
        <div className="forms">
          {study.images.length > 0 && (
            <>
              <PatientForm key={study.version} study={study} changed={changed} />
              <WithdrawalForm study={study} changed={changed} />
            </>
          )}
          <History key={`history ${study.version}`} study={study} changed={changed} />
        </div>
      )}
    </details>
  );
}

function PatientForm({ study, changed }: Props) {
  const [error, run] = useAction(changed);
  const { patient, images } = study;
  const save = (content: FormData) =>
    run(async () => {
      const image = textOf(content, "image");
      const body: PatientUpdate = {
        version: study.version,
        patient_id: textOf(content, "patient_id").trim() || null,
        patient_id_issuer: textOf(content, "patient_id_issuer").trim() || null,
        patient_name: textOf(content, "patient_name").trim() || null,
        birth_date: textOf(content, "birth_date") || null,
        sex: textOf(content, "sex").trim() || null,
        accession: textOf(content, "accession").trim() || null,
        confirmed: content.has("confirmed"),
        ...(image && { images: [image] }),
      };
      const params = { path: { study_id: study.id } };
      const corrected = await unwrap(api.PATCH("/v1/studies/{study_id}/patient", { params, body }));
      if (corrected.id !== study.id) {
        navigate(studyPath(corrected.id));
      }
    });
  return (
    <form onSubmit={handleSubmit(save)}>
      <h2>Correct the patient</h2>
      <p className="small">
        The files stay as they are, and what was stored before is kept. If the birth date changes,
        the images are read again.
      </p>
      <div className="fields">
        <label>
          Images{" "}
          <select name="image">
            <option value="">all of this study</option>
            {images.length > 1 &&
              images.map((image, index) => (
                <option key={image.id} value={image.id}>
                  only image {index + 1}, {image.name}
                </option>
              ))}
          </select>
        </label>
        <Field label="Correct patient ID" name="patient_id" value={patient.id} maxLength={64} />
        <Field
          label="Issuer of the patient ID"
          name="patient_id_issuer"
          value={patient.issuer}
          maxLength={64}
        />
        <Field label="Correct name" name="patient_name" value={patient.name} maxLength={255} />
        <label>
          Correct birth date{" "}
          <input name="birth_date" type="date" defaultValue={patient.birth_date ?? ""} />
        </label>
        <Field label="Correct sex" name="sex" value={patient.sex} maxLength={16} />
        <Field
          label="Correct accession number"
          name="accession"
          value={study.accession}
          maxLength={64}
        />
      </div>
      {study.conflict && (
        <label className="switch">
          <input type="checkbox" name="confirmed" />
          <span>
            I have checked that it is this patient, although other studies state otherwise
          </span>
        </label>
      )}
      <ErrorMessage error={error} />
      <button type="submit">Save the patient</button>
    </form>
  );
}

interface FieldProps {
  label: string;
  name: string;
  value: string | null;
  maxLength: number;
}

function Field({ label, value, ...input }: FieldProps) {
  return (
    <label>
      {label} <input {...input} defaultValue={value ?? ""} autoComplete="off" />
    </label>
  );
}

function WithdrawalForm({ study, changed }: Props) {
  const [error, run] = useAction(changed);
  const withdraw = (content: FormData) =>
    run(() =>
      api.POST("/v1/images/{image_id}/withdrawal", {
        params: { path: { image_id: textOf(content, "image") } },
        body: { version: study.version, reason: textOf(content, "reason") as Reason },
      }),
    );
  return (
    <form onSubmit={handleSubmit(withdraw)}>
      <h2>An image that was sent by mistake</h2>
      <div className="fields">
        <label>
          Image{" "}
          <select name="image">
            {study.images.map((image, index) => (
              <option key={image.id} value={image.id}>
                image {index + 1}, {image.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Reason{" "}
          <select name="reason">
            {REASONS.map((reason) => (
              <option key={reason}>{reason}</option>
            ))}
          </select>
        </label>
      </div>
      <ErrorMessage error={error} />
      <button type="submit">Withdraw the image</button>
    </form>
  );
}

/** The corrections so far, and the withdrawn images, which can be restored. */
function History({ study, changed }: Props) {
  const { value, error, reload } = useRequest(
    () =>
      unwrap(
        api.GET("/v1/studies/{study_id}/corrections", { params: { path: { study_id: study.id } } }),
      ),
    [study.id],
  );
  const [failure, run] = useAction(() => {
    reload();
    changed();
  });
  const restore = (id: string) =>
    run(async () => {
      const params = { path: { image_id: id } };
      const restored = await unwrap(api.DELETE("/v1/images/{image_id}/withdrawal", { params }));
      if (restored.id !== study.id) {
        navigate(studyPath(restored.id));
      }
    });
  const { corrections = [], withdrawn = [] } = value ?? {};
  return (
    <section aria-label="Earlier corrections">
      <ErrorMessage error={error || failure} />
      <ul>
        {corrections.map(({ created, user_name, before, after }) => (
          <li key={`${created} ${JSON.stringify(before)}`}>
            {formatTime(created)}, {user_name}: {before && after ? change(before, after) : "purged"}
          </li>
        ))}
        {withdrawn.map(({ id, name, withdrawn, withdrawal }) => (
          <li key={id}>
            {formatTime(withdrawn)}: {name} withdrawn ({withdrawal}){" "}
            {REASONS.includes(withdrawal as Reason) && (
              <button type="button" className="quiet" onClick={() => restore(id)}>
                Restore<span className="hidden"> {name}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

const LABELS: Record<string, string> = {
  id: "patient ID",
  issuer: "issuer",
  name: "name",
  birth_date: "birth date",
  sex: "sex",
  accession: "accession number",
  study_uid: "study UID",
};

type Details = Record<string, string | null>;

function change(before: Details, after: Details): string {
  const changes = Object.entries(LABELS)
    .filter(([key]) => before[key] !== after[key])
    .map(([key, label]) => `${label} ${before[key] ?? "none"} → ${after[key] ?? "none"}`);
  return changes.join("; ") || "confirmed unchanged";
}

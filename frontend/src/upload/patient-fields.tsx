import type { Ref } from "react";

/** Whose the files are that do not say it themselves, and of which site. */
export function PatientFields({ form }: { form: Ref<HTMLFormElement> }) {
  return (
    <form ref={form} onSubmit={(event) => event.preventDefault()}>
      <details>
        <summary>Patient, for files that do not say whose they are (JPEG, PNG)</summary>
        <div className="fields">
          <label>
            Patient identifier <input name="patient_id" maxLength={64} autoComplete="off" />
          </label>
          <label>
            Patient name <input name="patient_name" maxLength={255} autoComplete="off" />
          </label>
          <label>
            Birth date <input name="birth_date" type="date" />
          </label>
          <label>
            Sex <input name="sex" maxLength={16} autoComplete="off" />
          </label>
          <label>
            Accession number <input name="accession" maxLength={64} autoComplete="off" />
          </label>
          <label>
            Site <input name="site" maxLength={100} defaultValue="default" autoComplete="off" />
          </label>
        </div>
      </details>
    </form>
  );
}

import type { Ref } from "react";
import { sites } from "../api/clinic.ts";
import { useLoaded } from "../shell/use-loaded.ts";

const DEFAULT_SITE = "default";

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
          <ChooseSite />
        </div>
      </details>
    </form>
  );
}

/** One of the sites that there are; the first of all is the server's own. */
function ChooseSite() {
  const { value = [], error } = useLoaded(sites);
  const names = value.map((one) => one.name);
  return (
    <label>
      Site{" "}
      <select name="site" key={names.length} defaultValue={DEFAULT_SITE}>
        {(names.length > 0 ? names : [DEFAULT_SITE]).map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      {error !== "" && <span role="alert"> The other sites cannot be listed: {error}</span>}
    </label>
  );
}

import type { Ref } from "react";
import { api, unwrap } from "../api/client.ts";
import { useRequest } from "../shell/use-request.ts";

const DEFAULT_SITE = "default";

/** The patient and the site of files that do not name them themselves. */
export function PatientFields({ form }: { form: Ref<HTMLFormElement> }) {
  return (
    <form ref={form} onSubmit={(event) => event.preventDefault()}>
      <details>
        <summary>
          Patient and site, for files without a DICOM header (JPEG, PNG, TIFF); birth date or age
          for any file that lacks them
        </summary>
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
            Or age in years when it was taken{" "}
            <input name="age" type="number" min={0} max={130} step="any" />
          </label>
          <label>
            Sex <input name="sex" maxLength={16} autoComplete="off" />
          </label>
          <label>
            Accession number <input name="accession" maxLength={64} autoComplete="off" />
          </label>
          <SiteChoice />
        </div>
      </details>
    </form>
  );
}

/** The sites of the clinic; the server's own is chosen at first. */
function SiteChoice() {
  const { value: sites = [], error } = useRequest(() => unwrap(api.GET("/v1/sites")));
  const names = sites.map(({ name }) => name);
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

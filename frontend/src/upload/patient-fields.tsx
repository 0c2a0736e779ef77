import type { Ref } from "react";
import { api, unwrap } from "../api/client.ts";
import type { RequestMetadata } from "../api/schema.d.ts";
import { useRequest } from "../shell/use-request.ts";

const DEFAULT_SITE = "default";

const MAX_AGE_YEARS = 130;
const FIRST_BIRTH_DATE = "1900-01-01";

/** Return the earliest and the latest possible birth date, on this computer's calendar. */
function birthDates(): { min: string; max: string } {
  const today = new Date();
  const text = (years: number) => {
    const day = String(today.getDate()).padStart(2, "0");
    const month = String(today.getMonth() + 1).padStart(2, "0");
    return `${today.getFullYear() - years}-${month}-${day}`;
  };
  const oldest = text(MAX_AGE_YEARS);
  return { min: oldest > FIRST_BIRTH_DATE ? oldest : FIRST_BIRTH_DATE, max: text(0) };
}

interface Props {
  form: Ref<HTMLFormElement>;
  /** Whether the patient is being confirmed, and cannot be changed meanwhile. */
  hidden: boolean;
}

/** The patient and the site of files that do not name them themselves. */
export function PatientFields({ form, hidden }: Props) {
  return (
    <form ref={form} hidden={hidden} onSubmit={(event) => event.preventDefault()}>
      <fieldset className="patient">
        <legend>1. Patient</legend>
        <p className="small">
          For JPEG, PNG and TIFF files, which name nobody: one patient at a time. DICOM files name
          their patients themselves: leave the fields empty, or state the age that they lack.
        </p>
        <div className="fields">
          <label>
            Patient ID <input name="patient_id" maxLength={64} autoComplete="off" />
          </label>
          <label>
            Patient name <input name="patient_name" maxLength={255} autoComplete="off" />
          </label>
          <label>
            Birth date <input name="birth_date" type="date" {...birthDates()} />
          </label>
          <label>
            Or age in years when it was taken{" "}
            <input name="age" type="number" min={0} max={MAX_AGE_YEARS} step="any" />
          </label>
          <label>
            Sex <input name="sex" maxLength={16} autoComplete="off" />
          </label>
          <label>
            Accession number <input name="accession" maxLength={64} autoComplete="off" />
          </label>
          <SiteChoice />
        </div>
      </fieldset>
    </form>
  );
}

/** Return the patient and the site that are filled in. */
export function readPatient(form: HTMLFormElement | null): {
  metadata: RequestMetadata;
  site: string;
} {
  const content = new FormData(form ?? undefined);
  const filledIn = [...content].filter(([, value]) => value);
  const { site, age, ...named } = Object.fromEntries(filledIn);
  const metadata = { ...named, ...(age && { age: Number(age) }) } as RequestMetadata;
  return { metadata, site: String(site ?? DEFAULT_SITE) };
}

/** Clear the patient's fields: the next files are another patient's. The site stays. */
export function clearPatient(form: HTMLFormElement | null): void {
  for (const field of form?.querySelectorAll("input") ?? []) {
    field.value = "";
  }
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

// The prevalence of pneumonia among a site's patients, by which findings get their meaning.

import type { Prevalence, Site } from "../api/schema.d.ts";
import { handleSubmit, textOf } from "../shell/form.ts";

interface Props {
  site: Site;
  save: (prevalence: Prevalence) => void;
}

export function PrevalenceFields({ site, save }: Props) {
  const submit = (content: FormData) => {
    const low = Number(textOf(content, "low")) / 100;
    save({ low, high: Number(textOf(content, "high") || textOf(content, "low")) / 100 });
  };
  const { prevalence } = site;
  return (
    <form className="prevalence" onSubmit={handleSubmit(submit)}>
      <span>
        Prevalence of pneumonia at {site.name}, in %:{" "}
        {prevalence === null && "not stated, 5 to 30 assumed"}
      </span>
      <PercentField label="from" name="low" value={prevalence?.low} required />
      <PercentField label="to" name="high" value={prevalence?.high} />
      <button type="submit">Set</button>
    </form>
  );
}

interface FieldProps {
  label: string;
  name: string;
  /** Share, between 0 and 1. */
  value: number | undefined;
  required?: boolean;
}

function PercentField({ label, name, value, required = false }: FieldProps) {
  const percent = value === undefined ? "" : String(Number((100 * value).toPrecision(6)));
  return (
    <label>
      {label}{" "}
      <input
        name={name}
        type="number"
        min={0.01}
        max={99.99}
        step="any"
        required={required}
        defaultValue={percent}
      />
    </label>
  );
}

import { api, unwrap } from "../api/client.ts";
import type { Site, SiteUpdate, UnknownAge } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { handleSubmit, textOf } from "../shell/form.ts";
import { UnknownAgeChoice } from "../shell/unknown-age-choice.tsx";
import { useAction } from "../shell/use-action.ts";
import { useRequest } from "../shell/use-request.ts";
import { PrevalenceFields } from "./prevalence-fields.tsx";

const TIME_ZONES = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((name) => name !== "UTC")];

export function Sites() {
  const { value: sites, error: loadError, reload } = useRequest(() => unwrap(api.GET("/v1/sites")));
  const [error, run] = useAction(reload);

  const create = (content: FormData, form: HTMLFormElement) =>
    run(async () => {
      await api.POST("/v1/sites", { body: { name: textOf(content, "name") } });
      form.reset();
    });
  const change = (id: string, body: SiteUpdate) =>
    run(() => api.PATCH("/v1/sites/{site_id}", { params: { path: { site_id: id } }, body }));

  return (
    <section aria-labelledby="sites">
      <h2 id="sites">Sites</h2>
      <p className="small">
        A new site is in shadow mode: its radiographs are read, but clinicians do not see the
        readings until they are displayed here. With "own opinion first", clinicians see the
        readings of a study once they have saved their own opinion of each image: a reading that is
        seen first biases them. Reviewers and administrators see readings at once. Where several
        networks read, the patient's age decides; files without an age are treated as you choose for
        the site. Times in DICOM files that name no time zone are in the site's.
      </p>
      <ErrorMessage error={loadError || error} />
      <ul className="sites">
        {sites?.map((site) => (
          <li key={site.id}>
            <label className="switch">
              <input
                type="checkbox"
                checked={site.displayed}
                onChange={(event) => change(site.id, { displayed: event.target.checked })}
              />
              <span>
                <b>{site.name}</b>{" "}
                {site.displayed ? "readings are displayed" : "shadow mode: readings are hidden"}
              </span>
            </label>
            <label className="switch">
              <input
                type="checkbox"
                checked={site.opinion_first}
                onChange={(event) => change(site.id, { opinion_first: event.target.checked })}
              />
              <span>
                own opinion first<span className="hidden"> at {site.name}</span>
              </span>
            </label>
            <UnknownAgeChoice
              label={
                <>
                  Unknown age<span className="hidden"> of patients of {site.name}</span>
                </>
              }
              value={site.unknown_age}
              onChange={(event) =>
                change(site.id, { unknown_age: event.target.value as UnknownAge })
              }
            />
            <TimeZoneChoice site={site} change={change} />
            <PrevalenceFields site={site} save={(prevalence) => change(site.id, { prevalence })} />
          </li>
        ))}
      </ul>
      <form className="create" onSubmit={handleSubmit(create)}>
        <label>
          Site name <input name="name" required maxLength={100} autoComplete="off" />
        </label>
        <button type="submit">Create site</button>
      </form>
    </section>
  );
}

interface TimeZoneProps {
  site: Site;
  change: (id: string, body: SiteUpdate) => void;
}

/** The time zone of a site; the server's own may have a name that the browser does not list. */
function TimeZoneChoice({ site, change }: TimeZoneProps) {
  const names = TIME_ZONES.includes(site.time_zone) ? TIME_ZONES : [site.time_zone, ...TIME_ZONES];
  return (
    <label className="unknown-age">
      Time zone<span className="hidden"> of {site.name}</span>{" "}
      <select
        value={site.time_zone}
        onChange={(event) => change(site.id, { time_zone: event.target.value })}
      >
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

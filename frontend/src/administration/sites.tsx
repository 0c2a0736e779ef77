import type { FormEvent } from "react";
import * as clinic from "../api/clinic.ts";
import { useLoaded } from "../shell/use-loaded.ts";
import { useAction } from "./use-action.ts";

export function Sites() {
  const { value: sites, error: failed, reload } = useLoaded(clinic.sites);
  const [error, act] = useAction(reload);

  function make(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    act(async () => {
      await clinic.makeSite(String(new FormData(form).get("name")));
      form.reset();
    });
  }

  return (
    <section aria-labelledby="sites">
      <h2 id="sites">Sites</h2>
      <p className="small">
        A site begins in shadow mode: its radiographs are read, and clinicians do not see the
        readings until they are displayed here.
      </p>
      {(failed || error) && (
        <p role="alert" className="problem">
          {failed || error}
        </p>
      )}
      <ul className="sites">
        {sites?.map((site) => (
          <li key={site.id}>
            <label className="switch">
              <input
                type="checkbox"
                checked={site.displayed}
                onChange={(event) => {
                  const displayed = event.target.checked;
                  act(() => clinic.displaySite(site.id, displayed));
                }}
              />
              <span>
                <b>{site.name}</b>{" "}
                {site.displayed ? "readings are displayed" : "shadow mode: readings are hidden"}
              </span>
            </label>
          </li>
        ))}
      </ul>
      <form className="make" onSubmit={make}>
        <label>
          Name of a further site <input name="name" required maxLength={100} autoComplete="off" />
        </label>
        <button type="submit">Make the site</button>
      </form>
    </section>
  );
}

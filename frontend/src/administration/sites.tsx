import { api, unwrap } from "../api/client.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { handleSubmit, textOf } from "../shell/form.ts";
import { useAction } from "../shell/use-action.ts";
import { useRequest } from "../shell/use-request.ts";

export function Sites() {
  const { value: sites, error: loadError, reload } = useRequest(() => unwrap(api.GET("/v1/sites")));
  const [error, run] = useAction(reload);

  const create = (content: FormData, form: HTMLFormElement) =>
    run(async () => {
      await api.POST("/v1/sites", { body: { name: textOf(content, "name") } });
      form.reset();
    });
  const display = (id: string, displayed: boolean) =>
    run(() =>
      api.PATCH("/v1/sites/{site_id}", { params: { path: { site_id: id } }, body: { displayed } }),
    );

  return (
    <section aria-labelledby="sites">
      <h2 id="sites">Sites</h2>
      <p className="small">
        A new site is in shadow mode: its radiographs are read, but clinicians do not see the
        readings until they are displayed here.
      </p>
      <ErrorMessage error={loadError || error} />
      <ul className="sites">
        {sites?.map((site) => (
          <li key={site.id}>
            <label className="switch">
              <input
                type="checkbox"
                checked={site.displayed}
                onChange={(event) => display(site.id, event.target.checked)}
              />
              <span>
                <b>{site.name}</b>{" "}
                {site.displayed ? "readings are displayed" : "shadow mode: readings are hidden"}
              </span>
            </label>
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

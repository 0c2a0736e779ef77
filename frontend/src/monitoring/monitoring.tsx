// The clinic's figures, for reviewers and administrators.

import { useCallback, useState } from "react";
import { sites } from "../api/clinic.ts";
import * as monitoring from "../api/monitoring.ts";
import type { SignedIn } from "../api/types.ts";
import { useLoaded } from "../shell/use-loaded.ts";
import { usePage } from "../shell/use-page.ts";
import "../style/monitoring.css";
import { Alerts } from "./alerts.tsx";
import { Flow } from "./flow.tsx";
import { span } from "./format.ts";
import { Opinions } from "./opinions.tsx";
import { Shifts } from "./shift.tsx";

const WINDOWS = [7, 28, 91];

export default function Monitoring({ who }: { who: SignedIn }) {
  usePage("Monitoring");
  return (
    <main id="main" tabIndex={-1} className="monitoring sections">
      <h1>Monitoring</h1>
      {who.role === "reviewer" || who.role === "administrator" ? (
        <>
          <Alerts who={who} />
          <Figures />
        </>
      ) : (
        <p className="empty">This page is for reviewers and administrators.</p>
      )}
    </main>
  );
}

function Figures() {
  const [days, setDays] = useState(28);
  const [site, setSite] = useState("");
  const asked = monitoring.asked(days, site);
  const { value, error } = useLoaded(
    useCallback(async () => ({ of: asked, found: await monitoring.overview(asked) }), [asked]),
  );
  const found = value?.found;
  return (
    <>
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
      <div className="asked">
        <label>
          Six windows of
          <select value={days} onChange={(event) => setDays(Number(event.target.value))}>
            {WINDOWS.map((one) => (
              <option key={one} value={one}>
                {one} days
              </option>
            ))}
          </select>
        </label>
        <ChooseSite site={site} choose={setSite} />
        <a href={`/v1/monitoring/report?${asked}`}>The same as a page to keep</a>
        {found && <Scope found={found} />}
      </div>
      {/* What was asked for before stays until the answer comes, and looks so. */}
      <div className="figures sections" aria-busy={value?.of !== asked && !error}>
        {found && (
          <>
            <Flow periods={found.periods} />
            <Shifts found={found} />
            <Opinions found={found} />
          </>
        )}
      </div>
    </>
  );
}

/** One site or all of them, where there are several. */
function ChooseSite({ site, choose }: { site: string; choose: (site: string) => void }) {
  const { value: known = [] } = useLoaded(sites);
  return (
    known.length > 1 && (
      <label>
        Site
        <select value={site} onChange={(event) => choose(event.target.value)}>
          <option value="">all sites</option>
          {known.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
    )
  );
}

function Scope({ found: { periods, bundle, operating_point } }: { found: monitoring.Overview }) {
  const [first, last] = [periods[0]?.days.first ?? "", periods.at(-1)?.days.last ?? ""];
  return (
    <p className="small">
      {span({ first, last })} (whole days, UTC; today is not among them), read with {bundle} at{" "}
      {operating_point}.
    </p>
  );
}

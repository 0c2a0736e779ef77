// The clinic's figures, for reviewers and administrators.

import { useCallback, useState } from "react";
import * as monitoring from "../api/monitoring.ts";
import type { SignedIn } from "../api/types.ts";
import { useLoaded } from "../shell/use-loaded.ts";
import "../style/monitoring.css";
import { Alerts } from "./alerts.tsx";
import { Flow } from "./flow.tsx";
import { span } from "./format.ts";
import { Opinions } from "./opinions.tsx";
import { Shifts } from "./shift.tsx";

const WINDOWS = [7, 28, 91];

export default function Monitoring({ who }: { who: SignedIn }) {
  return (
    <main id="main" className="monitoring">
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
  const { value: found, error } = useLoaded(useCallback(() => monitoring.overview(days), [days]));
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
        <a href={`/v1/monitoring/report?days=${days}`}>The same as a page to keep</a>
        {found && (
          <p className="small">
            {span({
              first: found.periods[0]?.days.first ?? "",
              last: found.periods.at(-1)?.days.last ?? "",
            })}{" "}
            (whole days, UTC; today is not among them), all sites, read with {found.bundle} at{" "}
            {found.operating_point}.
          </p>
        )}
      </div>
      {found && (
        <>
          <Flow periods={found.periods} />
          <Shifts found={found} />
          <Opinions found={found} />
        </>
      )}
    </>
  );
}

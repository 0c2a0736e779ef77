// The monitoring page, for reviewers and administrators.

import { useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { MonitoringOverview, paths, Session } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { usePageTitle } from "../shell/use-page-title.ts";
import { useRequest } from "../shell/use-request.ts";
import "../style/monitoring.css";
import { AgreementSection } from "./agreement.tsx";
import { Alerts } from "./alerts.tsx";
import { formatDays } from "./monitoring-format.ts";
import { PopulationShift } from "./population-shift.tsx";
import { Volume } from "./volume.tsx";

const REPORT: keyof paths = "/v1/monitoring/report";
const PERIODS = 6;
const PERIOD_DAYS = [7, 28, 91];
const DEFAULT_PERIOD_DAYS = 28;

export default function Monitoring({ session }: { session: Session }) {
  usePageTitle("Monitoring");
  return (
    <main id="main" tabIndex={-1} className="monitoring sections">
      <h1>Monitoring</h1>
      {session.role === "reviewer" || session.role === "administrator" ? (
        <>
          <Alerts session={session} />
          <Statistics />
        </>
      ) : (
        <p className="empty">This page is for reviewers and administrators.</p>
      )}
    </main>
  );
}

interface Query {
  days: number;
  /** Identifier of a site; all sites if it is missing. */
  site?: string;
  /** Identity of a bundle in use; the first one if it is missing. */
  bundle?: string;
}

async function getMonitoring(query: Query) {
  const params = { query: { ...query, windows: PERIODS } };
  return { query, overview: await unwrap(api.GET("/v1/monitoring", { params })) };
}

function Statistics() {
  const [query, setQuery] = useState<Query>({ days: DEFAULT_PERIOD_DAYS });
  const { value, error } = useRequest(() => getMonitoring(query), [query]);
  const overview = value?.overview;
  const isOutdated = value?.query !== query && !error;
  const report = new URLSearchParams({ ...query, days: String(query.days) });
  return (
    <>
      <ErrorMessage error={error} />
      <div className="controls">
        <label>
          {PERIODS} periods of
          <select
            value={query.days}
            onChange={(event) => setQuery({ ...query, days: Number(event.target.value) })}
          >
            {PERIOD_DAYS.map((days) => (
              <option key={days} value={days}>
                {days} days
              </option>
            ))}
          </select>
        </label>
        <SiteChoice
          site={query.site ?? ""}
          choose={(chosen) => {
            const { site: _, ...rest } = query;
            setQuery(chosen ? { ...rest, site: chosen } : rest);
          }}
        />
        {overview && (
          <BundleChoice overview={overview} choose={(bundle) => setQuery({ ...query, bundle })} />
        )}
        <a href={`${REPORT}?${report}`}>Report as an HTML file</a>
        {overview && <Scope overview={overview} />}
      </div>
      {/* The previous statistics stay, greyed out, until the new ones arrive. */}
      <div className="statistics sections" aria-busy={isOutdated}>
        {overview && (
          <>
            <Volume periods={overview.periods} />
            <PopulationShift overview={overview} />
            <AgreementSection overview={overview} />
          </>
        )}
      </div>
    </>
  );
}

/** One site or all of them, where there are several. */
function SiteChoice({ site, choose }: { site: string; choose: (site: string) => void }) {
  const { value: sites = [] } = useRequest(() => unwrap(api.GET("/v1/sites")));
  return (
    sites.length > 1 && (
      <label>
        Site
        <select value={site} onChange={(event) => choose(event.target.value)}>
          <option value="">all sites</option>
          {sites.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
    )
  );
}

/** The bundle whose drift and agreement are shown, where several have readings. */
function BundleChoice({
  overview: { bundles, bundle },
  choose,
}: {
  overview: MonitoringOverview;
  choose: (bundle: string) => void;
}) {
  return (
    bundles.length > 1 && (
      <label>
        Drift and agreement of
        <select value={bundle} onChange={(event) => choose(event.target.value)}>
          {bundles.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
    )
  );
}

function Scope({ overview }: { overview: MonitoringOverview }) {
  const { periods, bundle, operating_point } = overview;
  const days = { first: periods[0]?.days.first ?? "", last: periods.at(-1)?.days.last ?? "" };
  return (
    <p className="small">
      {formatDays(days)} (whole days in UTC, up to yesterday). Volume and refusals are of all
      readings; drift and agreement are of {bundle} at operating point {operating_point}.
    </p>
  );
}

// What somebody should look at.

import { useAction } from "../administration/use-action.ts";
import * as monitoring from "../api/monitoring.ts";
import type { SignedIn } from "../api/types.ts";
import { moment } from "../shell/format.ts";
import { useLoaded } from "../shell/use-loaded.ts";

export function Alerts({ who }: { who: SignedIn }) {
  const { value: alerts, error: failed, reload } = useLoaded(monitoring.alerts);
  const [error, act] = useAction(reload);
  const standing = alerts?.filter((one) => one.ended === null) ?? [];
  const ended = alerts?.filter((one) => one.ended !== null) ?? [];
  const acknowledge =
    who.role === "administrator"
      ? (id: string) => act(() => monitoring.acknowledge(id))
      : undefined;
  return (
    <section aria-labelledby="alerts">
      <h2 id="alerts">Alerts</h2>
      {(failed || error) && (
        <p role="alert" className="problem">
          {failed || error}
        </p>
      )}
      {alerts && standing.length === 0 && <p>None stands.</p>}
      <List alerts={standing} acknowledge={acknowledge} />
      <p>
        <button type="button" onClick={() => act(monitoring.lookNow)}>
          Look now
        </button>{" "}
        <small>The server looks once a day by itself.</small>
      </p>
      {ended.length > 0 && (
        <details>
          <summary>Ended ({ended.length})</summary>
          <List alerts={ended} />
        </details>
      )}
    </section>
  );
}

interface ListProps {
  alerts: monitoring.Alert[];
  acknowledge?: ((id: string) => void) | undefined;
}

function List({ alerts, acknowledge }: ListProps) {
  return (
    <ul className="alerts">
      {alerts.map((one) => (
        <li key={one.id} className={one.acknowledged || one.ended ? "known" : ""}>
          <p>
            <b>
              {one.site ?? "The server"}: {[one.rule, one.subject].filter(Boolean).join(", ")}.
            </b>{" "}
            {one.message}
          </p>
          <p className="small">{times(one)}</p>
          {acknowledge && one.acknowledged === null && (
            <button type="button" onClick={() => acknowledge(one.id)}>
              Acknowledge<span className="hidden"> {one.message}</span>
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

function times({ began, ended, acknowledged, acknowledged_by }: monitoring.Alert): string {
  const known = acknowledged && `acknowledged by ${acknowledged_by} ${moment(acknowledged)}`;
  return [`since ${moment(began)}`, ended && `until ${moment(ended)}`, known]
    .filter(Boolean)
    .join(" · ");
}

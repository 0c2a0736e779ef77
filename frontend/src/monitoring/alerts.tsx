import { api, unwrap } from "../api/client.ts";
import type { Alert, Session } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { formatTime } from "../shell/format.ts";
import { useAction } from "../shell/use-action.ts";
import { useRequest } from "../shell/use-request.ts";

const acknowledgeAlert = (id: string) =>
  api.POST("/v1/monitoring/alerts/{alert_id}/acknowledgement", {
    params: { path: { alert_id: id } },
  });

/** Open alerts, which administrators acknowledge, and ended ones. */
export function Alerts({ session }: { session: Session }) {
  const {
    value: alerts,
    error: loadError,
    reload,
  } = useRequest(() => unwrap(api.GET("/v1/monitoring/alerts")));
  const [error, run] = useAction(reload);
  const open = alerts?.filter(({ ended }) => ended === null) ?? [];
  const ended = alerts?.filter(({ ended }) => ended !== null) ?? [];
  const acknowledge =
    session.role === "administrator" ? (id: string) => run(() => acknowledgeAlert(id)) : undefined;
  return (
    <section aria-labelledby="alerts">
      <h2 id="alerts">Alerts</h2>
      <ErrorMessage error={loadError || error} />
      {alerts && open.length === 0 && <p>No open alerts.</p>}
      <AlertList alerts={open} acknowledge={acknowledge} />
      <p>
        <button type="button" onClick={() => run(() => api.POST("/v1/monitoring/check"))}>
          Check now
        </button>{" "}
        <small>The server checks once a day.</small>
      </p>
      {ended.length > 0 && (
        <details>
          <summary>Ended alerts ({ended.length})</summary>
          <AlertList alerts={ended} />
        </details>
      )}
    </section>
  );
}

interface ListProps {
  alerts: Alert[];
  acknowledge?: ((id: string) => void) | undefined;
}

function AlertList({ alerts, acknowledge }: ListProps) {
  return (
    <ul className="alerts">
      {alerts.map((alert) => (
        <li key={alert.id} className={alert.acknowledged || alert.ended ? "settled" : ""}>
          <p>
            <b>{titleOf(alert)}:</b> {alert.message}
          </p>
          <p className="small">{historyOf(alert)}</p>
          {acknowledge && alert.acknowledged === null && (
            <button type="button" onClick={() => acknowledge(alert.id)}>
              Acknowledge<span className="hidden"> {alert.message}</span>
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

function titleOf({ site, rule, subject }: Alert): string {
  return `${site ?? "Server"} · ${[rule, subject].filter(Boolean).join(", ")}`;
}

function historyOf({ bundle, began, ended, acknowledged, acknowledged_by }: Alert): string {
  return [
    bundle && `readings of ${bundle}`,
    `since ${formatTime(began)}`,
    ended && `until ${formatTime(ended)}`,
    acknowledged && `acknowledged by ${acknowledged_by} ${formatTime(acknowledged)}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

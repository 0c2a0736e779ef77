import { useSyncExternalStore } from "react";
import { isLive, observeLive } from "../api/live.ts";

/** Says that what is shown is not kept up to date any more. */
export function Stale() {
  const live = useSyncExternalStore(observeLive, isLive);
  return (
    <div role="status">
      {!live && (
        <p className="notice">
          Live updates have stopped and are being tried again. What came meanwhile is not shown.
        </p>
      )}
    </div>
  );
}

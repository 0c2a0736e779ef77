import { useSyncExternalStore } from "react";
import { isLive, observeLive } from "../api/live-updates.ts";

/** A notice while live updates are interrupted. */
export function LiveUpdateNotice() {
  const live = useSyncExternalStore(observeLive, isLive);
  return (
    <div role="status">
      {!live && (
        <p className="notice">
          Live updates are interrupted, reconnecting. Until then new studies and readings are
          missing here; reload the page to see them.
        </p>
      )}
    </div>
  );
}

import { useEffect, useState } from "react";
import { api, unwrap } from "../api/client.ts";

const RENEW_MS = 30_000; // a lease ends 90 seconds after it was renewed

/** Tell others that a study is open here, and return the names of all who have it open. */
export function useLease(studyId: string): string[] {
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    const params = { path: { study_id: studyId } };
    let closed = false;
    const renew = () => {
      // A lease is a courtesy: where it fails, the other requests of the page say why.
      unwrap(api.PUT("/v1/studies/{study_id}/lease", { params })).then(
        ({ in_review_by }) => !closed && setNames(in_review_by),
        () => {},
      );
    };
    const end = () => {
      api.DELETE("/v1/studies/{study_id}/lease", { params, keepalive: true }).catch(() => {});
    };
    renew();
    const renewing = setInterval(renew, RENEW_MS);
    addEventListener("pagehide", end);
    return () => {
      closed = true;
      clearInterval(renewing);
      removeEventListener("pagehide", end);
      end();
    };
  }, [studyId]);
  return names;
}

// How the worklist learns that it is out of date.

import { isAttended } from "../shell/attention.ts";

const EVERY = 5_000;

/**
 * Call `changed` whenever the worklist may have changed, until the returned function is called.
 *
 * It asks nothing while nobody is there: to ask keeps the session from ending by itself.
 */
export function watchWorklist(changed: () => void): () => void {
  const timer = setInterval(() => {
    if (document.visibilityState === "visible" && isAttended()) {
      changed();
    }
  }, EVERY);
  return () => clearInterval(timer);
}

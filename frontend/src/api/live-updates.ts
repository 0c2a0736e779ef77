// Live updates: the server sends an event when the worklist has changed, without patient data.

import type { paths } from "./schema.d.ts";

const EVENTS: keyof paths = "/v1/events";
const MIN_PAUSE_MS = 2_000; // between two notifications, since each of them causes a search
const RECONNECT_MS = 10_000; // after the server refused the connection

const watchers = new Set<() => void>();
const statusObservers = new Set<() => void>();
let live = true;

/** Call `changed` whenever the worklist may have changed, until the returned function is called. */
export function watchWorklist(changed: () => void): () => void {
  watchers.add(changed);
  return () => watchers.delete(changed);
}

/** Return whether the connection for live updates is up. */
export function isLive(): boolean {
  return live;
}

/** Call `changed` whenever `isLive` changes, until the returned function is called. */
export function observeLive(changed: () => void): () => void {
  statusObservers.add(changed);
  return () => statusObservers.delete(changed);
}

/**
 * Receive events until the returned function is called; `refused` is called when the server refuses.
 *
 * Nothing is notified while the page is hidden: a search would be recorded in the audit trail as if
 * somebody had seen its result. The first event of a connection counts as a change, since changes
 * before it may have been missed.
 */
export function receiveEvents(refused: () => void): () => void {
  let source: EventSource;
  let reconnecting: ReturnType<typeof setTimeout>;
  let pausing: ReturnType<typeof setTimeout> | null = null;
  let due = false;

  function notify() {
    if (!due || pausing !== null || document.visibilityState === "hidden") {
      return;
    }
    due = false;
    pausing = setTimeout(() => {
      pausing = null;
      notify();
    }, MIN_PAUSE_MS);
    for (const watcher of watchers) {
      watcher();
    }
  }

  function connect() {
    source = new EventSource(EVENTS);
    source.addEventListener("worklist", () => {
      due = true;
      notify();
    });
    source.addEventListener("open", () => setLive(true));
    source.addEventListener("error", () => {
      setLive(false);
      // Browsers reconnect by themselves after an interruption, but not after a refusal.
      if (source.readyState === source.CLOSED) {
        reconnecting = setTimeout(connect, RECONNECT_MS);
        refused();
      }
    });
  }

  document.addEventListener("visibilitychange", notify);
  connect();
  return () => {
    source.close();
    clearTimeout(reconnecting);
    clearTimeout(pausing ?? undefined);
    document.removeEventListener("visibilitychange", notify);
    setLive(true);
  };
}

function setLive(status: boolean): void {
  live = status;
  for (const observer of statusObservers) {
    observer();
  }
}

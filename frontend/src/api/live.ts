// Live updates: the server says that the worklist has changed, and nothing of whom.

const PAUSE = 2_000; // at least, between two changes that are told: each is a search by somebody
const AGAIN = 10_000; // until a stream that was refused is asked for once more

const watchers = new Set<() => void>();
const observers = new Set<() => void>();
let live = true;

/** Call `changed` whenever the worklist may have changed, until the returned function is called. */
export function watchWorklist(changed: () => void): () => void {
  watchers.add(changed);
  return () => watchers.delete(changed);
}

/** Whether what is shown is kept up to date. */
export function isLive(): boolean {
  return live;
}

/** Call `changed` whenever `isLive` says something else, until the returned function is called. */
export function observeLive(changed: () => void): () => void {
  observers.add(changed);
  return () => observers.delete(changed);
}

/**
 * Listen until the returned function is called; `refused` is called when the server says no.
 *
 * A change is not told while nobody can see the page, since a search would say that they saw it.
 * The first event of a connection counts as a change: nobody knows what came before it.
 */
export function listen(refused: () => void): () => void {
  let source: EventSource;
  let connecting: ReturnType<typeof setTimeout>;
  let pausing: ReturnType<typeof setTimeout> | null = null;
  let due = false;

  function tell() {
    if (!due || pausing !== null || document.visibilityState === "hidden") {
      return;
    }
    due = false;
    pausing = setTimeout(() => {
      pausing = null;
      tell();
    }, PAUSE);
    for (const watcher of watchers) {
      watcher();
    }
  }

  function connect() {
    source = new EventSource("/v1/events");
    source.addEventListener("worklist", () => {
      due = true;
      tell();
    });
    source.addEventListener("open", () => become(true));
    source.addEventListener("error", () => {
      become(false);
      // A browser connects anew by itself after an interruption, not after a refusal.
      if (source.readyState === source.CLOSED) {
        connecting = setTimeout(connect, AGAIN);
        refused();
      }
    });
  }

  document.addEventListener("visibilitychange", tell);
  connect();
  return () => {
    source.close();
    clearTimeout(connecting);
    clearTimeout(pausing ?? undefined);
    document.removeEventListener("visibilitychange", tell);
    become(true);
  };
}

function become(now: boolean): void {
  live = now;
  for (const observer of observers) {
    observer();
  }
}

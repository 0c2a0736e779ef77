// Idle timeout: patients are not shown to an empty chair.

const IDLE_TIMEOUT_MS = 15 * 60_000; // as the server's sessions (credentials.SESSION_IDLE)
const CHECK_INTERVAL_MS = 10_000;

let lastActivity = Date.now();
for (const event of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) {
  addEventListener(
    event,
    () => {
      lastActivity = Date.now();
    },
    { passive: true, capture: true },
  );
}

/** Call `idle` once nobody has used the page for as long as a session may be idle. */
export function watchIdle(idle: () => void): () => void {
  const timer = setInterval(() => {
    if (Date.now() - lastActivity >= IDLE_TIMEOUT_MS) {
      idle();
    }
  }, CHECK_INTERVAL_MS);
  return () => clearInterval(timer);
}

// Whether somebody sits before the screen: patients are not shown to an empty chair.

const LEFT_AFTER = 15 * 60_000; // as the server's sessions (credentials.UNUSED_FOR)

let last = Date.now();
for (const sign of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) {
  addEventListener(
    sign,
    () => {
      last = Date.now();
    },
    { passive: true, capture: true },
  );
}

/** Call `left` once nobody has touched the page for as long as a session may be unused. */
export function whenLeft(left: () => void): () => void {
  const timer = setInterval(() => {
    if (Date.now() - last >= LEFT_AFTER) {
      left();
    }
  }, 10_000);
  return () => clearInterval(timer);
}

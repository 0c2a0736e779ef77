import type { ReactNode } from "react";

/** What may be wider than a phone, and is then scrolled, also at the keyboard. */
export function Wide({ name, children }: { name: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: else arrow keys cannot scroll it
    <section className="wide" aria-label={name} tabIndex={0}>
      {children}
    </section>
  );
}

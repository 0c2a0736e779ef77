import type { ReactNode } from "react";

/** Content that may be wider than a phone and then scrolls, with the keyboard, too. */
export function Scrollable({ name, children }: { name: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys scroll only what can have the focus
    <section className="scrollable" aria-label={name} tabIndex={0}>
      {children}
    </section>
  );
}

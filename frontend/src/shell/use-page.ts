import { useEffect } from "react";

/** Name the page to browsers, and begin at its top with the keyboard. No patient stands in a title. */
export function usePage(name: string): void {
  useEffect(() => {
    document.title = `${name} · pneumoscope`;
    document.getElementById("main")?.focus({ preventScroll: true });
    return () => {
      document.title = "pneumoscope";
    };
  }, [name]);
}

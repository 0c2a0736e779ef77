import { useEffect } from "react";

/** Set the browser's title, which never names a patient, and put the keyboard focus on the page. */
export function usePageTitle(name: string): void {
  useEffect(() => {
    document.title = `${name} · pneumoscope`;
    document.getElementById("main")?.focus({ preventScroll: true });
    return () => {
      document.title = "pneumoscope";
    };
  }, [name]);
}

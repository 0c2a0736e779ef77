import { useEffect, useState } from "react";

/** Take what is dropped anywhere on the page, which else would be opened in the page's place. */
export function useDrop(take: (items: DataTransferItemList) => void): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const ended = new AbortController();
    const on = (type: "dragover" | "dragleave" | "drop", react: (event: DragEvent) => void) =>
      addEventListener(type, react, { signal: ended.signal });
    on("dragover", (event) => {
      event.preventDefault();
      setOver(event.dataTransfer?.types.includes("Files") ?? false);
    });
    // From one element to the next a drag leaves the first; without a next one it leaves the page.
    on("dragleave", (event) => event.relatedTarget === null && setOver(false));
    on("drop", (event) => {
      event.preventDefault();
      setOver(false);
      take(event.dataTransfer?.items ?? new DataTransfer().items);
    });
    return () => ended.abort();
  });
  return over;
}

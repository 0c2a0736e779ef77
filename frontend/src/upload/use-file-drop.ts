import { useEffect, useState } from "react";

/** Accept files that are dropped anywhere on the page; return whether files are dragged over it. */
export function useFileDrop(accept: (items: DataTransferItemList) => void): boolean {
  const [isDraggedOver, setDraggedOver] = useState(false);
  useEffect(() => {
    const controller = new AbortController();
    const on = (type: "dragover" | "dragleave" | "drop", handle: (event: DragEvent) => void) =>
      addEventListener(type, handle, { signal: controller.signal });
    on("dragover", (event) => {
      event.preventDefault(); // browsers would open the file in the place of the page
      setDraggedOver(event.dataTransfer?.types.includes("Files") ?? false);
    });
    // A drag also leaves one element for the next; without a next one it leaves the page.
    on("dragleave", (event) => event.relatedTarget === null && setDraggedOver(false));
    on("drop", (event) => {
      event.preventDefault();
      setDraggedOver(false);
      accept(event.dataTransfer?.items ?? new DataTransfer().items);
    });
    return () => controller.abort();
  });
  return isDraggedOver;
}

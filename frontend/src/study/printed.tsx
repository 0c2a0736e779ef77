// What stands on paper alone, and the size of the radiographs there.

import { type RefObject, useEffect, useState } from "react";
import { flushSync } from "react-dom";
import type { Image } from "../api/schema.d.ts";
import { formatTime } from "../shell/format.ts";

/** Space for the radiographs on a page, in CSS pixels: A4 and Letter, upright. */
const PAPER = { width: 690, height: 600 };

/** Print an element in the size that it has on the screen, made smaller to fit onto the paper. */
export function usePrintSize(element: RefObject<HTMLElement | null>): void {
  useEffect(() => noteSize(element.current)); // the columns change without the size
  useEffect(() => {
    const observer = new ResizeObserver(() => noteSize(element.current));
    if (element.current) {
      observer.observe(element.current);
    }
    return () => observer.disconnect();
  }, [element]);
}

function noteSize(place: HTMLElement | null): void {
  if (place === null || matchMedia("print").matches) {
    return;
  }
  const { clientWidth: width, clientHeight: height, style } = place;
  const { gridTemplateRows, gridTemplateColumns } = getComputedStyle(place);
  const scale = Math.min(1, PAPER.width / width, PAPER.height / height);
  style.setProperty("--shown-width", `${width}px`);
  style.setProperty("--shown-height", `${height}px`);
  style.setProperty("--shown-rows", gridTemplateRows);
  style.setProperty("--shown-columns", gridTemplateColumns);
  style.setProperty("--print-scale", `${scale}`);
}

export function Printed({ image }: { image: Image }) {
  const [time, setTime] = useState(() => new Date().toISOString());
  useEffect(() => {
    const update = () => flushSync(() => setTime(new Date().toISOString()));
    addEventListener("beforeprint", update);
    return () => removeEventListener("beforeprint", update);
  }, []);
  return (
    <p className="printed">
      Printed {formatTime(time)} by pneumoscope, for information: not a diagnosis, and not a medical
      device. A printed radiograph is not for reading. Measurements are not saved. File {image.name}
      {image.reading?.bundle && `, bundle ${image.reading.bundle}`}.
    </p>
  );
}

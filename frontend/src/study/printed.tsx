// What stands on paper alone, and the size of the radiographs there.

import { type RefObject, useEffect, useState } from "react";
import { flushSync } from "react-dom";
import { formatTime } from "../shell/format.ts";

/** Space for the radiographs on a page, in CSS pixels: A4 and Letter, upright. */
const PAPER = { width: 690, height: 600 };

/** Print an element in the size that it has on the screen, made smaller to fit onto the paper. */
export function usePrintSize(element: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const place = element.current;
    if (place === null) {
      return;
    }
    const observer = new ResizeObserver(() => {
      if (!matchMedia("print").matches) {
        const { clientWidth: width, clientHeight: height } = place;
        const scale = Math.min(1, PAPER.width / width, PAPER.height / height);
        place.style.setProperty("--shown-width", `${width}px`);
        place.style.setProperty("--shown-height", `${height}px`);
        place.style.setProperty("--print-scale", `${scale}`);
      }
    });
    observer.observe(place);
    return () => observer.disconnect();
  }, [element]);
}

export function Printed() {
  const [time, setTime] = useState(() => new Date().toISOString());
  useEffect(() => {
    const update = () => flushSync(() => setTime(new Date().toISOString()));
    addEventListener("beforeprint", update);
    return () => removeEventListener("beforeprint", update);
  }, []);
  return (
    <p className="printed">
      Printed {formatTime(time)} by pneumoscope, for information: not a diagnosis, and not a medical
      device. A printed radiograph is not for reading. Measurements are not saved.
    </p>
  );
}

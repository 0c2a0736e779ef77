// The measurements of a radiograph in words, and how to remove them.

import { useState } from "react";
import { drawAll } from "./cornerstone.ts";
import {
  countRemoved,
  type Measurement,
  removeMeasurements,
  restoreMeasurements,
} from "./measurements.ts";

interface Props {
  imageId: string;
  measurements: Measurement[];
}

export function MeasurementList({ imageId, measurements }: Props) {
  // The numbers also stand at the lines; on a phone the list would hide the radiograph.
  const [open, setOpen] = useState(() => matchMedia("(min-width: 60rem)").matches);
  const gone = countRemoved(imageId);
  if (measurements.length + gone === 0) {
    return null;
  }
  const remove = (which: "all" | "last") => {
    removeMeasurements(imageId, which);
    drawAll();
  };
  const undo = () => {
    restoreMeasurements(imageId);
    drawAll();
  };
  return (
    <section className="measurements" aria-label="Measurements">
      {open && measurements.length > 0 && (
        <ol>
          {measurements.map(({ id, text }) => (
            <li key={id}>{text}</li>
          ))}
        </ol>
      )}
      <p>Not saved: gone when the study is closed.</p>
      <div className="buttons">
        {measurements.length > 0 && (
          <>
            <button type="button" onClick={() => setOpen(!open)} aria-expanded={open}>
              {open ? "Hide list" : `Show list (${measurements.length})`}
            </button>
            <button type="button" onClick={() => remove("last")}>
              Remove last
            </button>
            <button type="button" onClick={() => remove("all")}>
              Remove all
            </button>
          </>
        )}
        {gone > 0 && (
          <button type="button" onClick={undo}>
            Undo: put back {gone}
          </button>
        )}
      </div>
    </section>
  );
}

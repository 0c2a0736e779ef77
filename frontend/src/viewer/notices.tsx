// Notices over a radiograph: how it was changed, and what to do next.

import type { ReactNode } from "react";
import type { Tool } from "./cornerstone.ts";
import type { PixelSize } from "./grey-map.ts";
import { loadedImage } from "./images.ts";
import { HeartTool, type Measurement, nextRatioLine } from "./measurements.ts";
import type { ViewState } from "./viewer.tsx";

const LENGTHS: Record<PixelSize["scale"], string> = {
  calibrated: "",
  stated: "The file does not say whether its millimetres are calibrated.",
  detector: "Lengths are those at the detector; in the patient they are shorter.",
  film: "Lengths are those on the film; in the patient they are shorter.",
  none: "The file does not say how large its pixels are: no millimetres.",
};

interface Props {
  view: ViewState;
  tool: Tool;
  imageId: string;
  /** The measurements of the image, on which the next step depends. */
  measurements: Measurement[];
  children: ReactNode;
}

export function Notices({ view, tool, imageId, children }: Props) {
  const scale = loadedImage(imageId)?.display.pixel.scale ?? "none";
  const lengths = tool === "length" || tool === "ratio" ? LENGTHS[scale] : "";
  return (
    <div className="notices">
      <div role="status">
        {view.flipped && <p className="changed">Flipped: left and right are exchanged</p>}
        {view.turned !== 0 && <p className="changed">{turnedText(view.turned)}</p>}
        {view.inverted && <p className="changed">Inverted: black and white are exchanged</p>}
        {tool === "ratio" && <p>{ratioStep(imageId)}</p>}
        {lengths && <p>{lengths}</p>}
      </div>
      {children}
    </div>
  );
}

function turnedText(degrees: number): string {
  return degrees === 180
    ? "Turned upside down"
    : `Turned by 90° to the ${degrees === 90 ? "right" : "left"}`;
}

function ratioStep(imageId: string): string {
  const next = nextRatioLine(imageId);
  if (next === null) {
    return "Drag the ends of the two lines to correct the ratio.";
  }
  return next === HeartTool
    ? "Draw the greatest width of the heart, from left to right."
    : "Now draw the greatest inner width of the thorax.";
}

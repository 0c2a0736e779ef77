// What the buttons and keys of the view do.

import type { Types } from "@cornerstonejs/core";
import { drawAll, type Tool } from "../viewer/cornerstone.ts";
import { removeMeasurements, restoreMeasurements } from "../viewer/measurements.ts";
import { fit, flip, type Move, showTrueSize, turn } from "../viewer/view.ts";

export const TOOLS: [Tool, name: string, key: string, description: string][] = [
  ["window", "Window", "w", "window, by dragging or arrows"],
  ["zoom", "Zoom", "z", "zoom, by dragging or arrows"],
  ["pan", "Pan", "p", "pan, by dragging or arrows"],
  ["magnifier", "Magnifier", "m", "magnifier, while the button is held down"],
  ["length", "Length", "l", "measure a length"],
  ["angle", "Angle", "g", "measure an angle"],
  ["ratio", "CTR", "o", "cardiothoracic ratio: the heart's width, then the thorax's"],
];

export interface Command {
  name: string;
  key: string;
  description: string;
  action: (viewport: Types.IStackViewport) => void;
}

/** Commands for the radiograph that is used. */
export const COMMANDS = {
  fit: { name: "Fit", key: "f", description: "fit into the window", action: fit },
  trueSize: {
    name: "1:1",
    key: "0",
    description: "one pixel of the image for one of the screen",
    action: showTrueSize,
  },
  left: {
    name: "Turn left",
    key: "<",
    description: "turn left by 90°",
    action: (viewport) => turn(viewport, "left"),
  },
  right: {
    name: "Turn right",
    key: ">",
    description: "turn right by 90°",
    action: (viewport) => turn(viewport, "right"),
  },
  flip: { name: "Flip", key: "x", description: "exchange left and right", action: flip },
  invert: { name: "Invert", key: "i", description: "invert", action: invert },
} satisfies Record<string, Command>;

function invert(viewport: Types.IStackViewport): void {
  viewport.setProperties({ invert: !viewport.getProperties().invert });
}

/** Show the image as at first, without measurements, which can be put back. */
export function reset(viewport: Types.IStackViewport): void {
  viewport.resetCamera();
  viewport.resetProperties();
  removeLines(viewport, "all");
}

export function removeLines(viewport: Types.IStackViewport, which: "all" | "last"): void {
  removeMeasurements(viewport.getCurrentImageId(), which);
  drawAll();
}

export function putBackLines(viewport: Types.IStackViewport): void {
  restoreMeasurements(viewport.getCurrentImageId());
  drawAll();
}

/** What arrows do: they zoom and pan with these tools, and else change the window. */
export function arrowKind(tool: Tool): Move["kind"] {
  return tool === "zoom" || tool === "pan" ? tool : "window";
}

export const ARROWS: Record<string, Omit<Move, "kind">> = {
  ArrowLeft: { right: -1 },
  ArrowRight: { right: 1 },
  ArrowUp: { up: 1 },
  ArrowDown: { up: -1 },
};

/** Show the study alone on the screen, with its patient and its tools, or return to the page. */
export function toggleFullScreen(): void {
  if (document.fullscreenElement) {
    document.exitFullscreen();
  } else {
    document.querySelector(".reading-room")?.requestFullscreen();
  }
}

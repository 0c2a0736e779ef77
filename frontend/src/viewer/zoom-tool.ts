// Cornerstone's zoom tool at the usual speed: a notch of the wheel is a seventh, and what lies
// between two fingers stays between them.

import { type Types as ToolTypes, ZoomTool } from "@cornerstonejs/tools";

const FACTOR_PER_PIXEL = 1.0015; // of scrolling; a notch of a wheel is about 100 pixels
const MAX_PIXELS = 300; // of one event

/** Cornerstone's zoom is `1 - k`, with k of 5 for the element's height. */
const TOOL_FACTOR = 5;
const TOOL_NOTCH = 5; // pixels that the tool takes a notch for

export class PacedZoomTool extends ZoomTool {
  override mouseWheelCallback(evt: ToolTypes.EventTypes.MouseWheelEventType): void {
    const { element, wheel } = evt.detail;
    const pixels = Math.min(MAX_PIXELS, Math.max(-MAX_PIXELS, wheel.pixelY));
    const wanted = FACTOR_PER_PIXEL ** pixels - 1;
    const notches = (wanted * element.clientHeight) / (TOOL_FACTOR * TOOL_NOTCH);
    Object.assign(wheel, { direction: notches });
    super.mouseWheelCallback(evt);
  }

  override _pinchCallback(evt: ToolTypes.EventTypes.InteractionEventType): void {
    const detail = evt.detail as ToolTypes.EventTypes.TouchDragEventDetail;
    const apart = spread(detail.currentPointsList);
    const before = spread(detail.lastPointsList);
    // The scale shrinks by `1 - k`, so that it is as far as the fingers were, by as far as they are.
    const wanted = apart && before ? 1 - before / apart : 0;
    detail.deltaDistance = {
      ...detail.deltaDistance,
      canvas: (wanted * detail.element.clientHeight) / TOOL_FACTOR,
    };
    super._pinchCallback(evt);
  }
}

/** Return the distance of the first two fingers on the screen; null if there is only one. */
function spread(points: ToolTypes.ITouchPoints[]): number | null {
  const [first, second] = points.map(({ canvas }) => canvas);
  return first && second ? Math.hypot(first[0] - second[0], first[1] - second[1]) : null;
}

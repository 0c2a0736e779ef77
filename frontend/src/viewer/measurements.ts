// Measurements: Cornerstone's length and angle annotations, with texts that claim no more than the
// file says. The cardiothoracic ratio is that of two lengths, of the heart and of the thorax. They
// are kept in memory alone, until the study is closed.

import { eventTarget, type Types } from "@cornerstonejs/core";
import {
  AngleTool,
  annotation,
  cancelActiveManipulations,
  Enums,
  LengthTool,
  type Types as ToolTypes,
} from "@cornerstonejs/tools";
import { loadedImage } from "./images.ts";
import {
  angleAt,
  cardiothoracicRatio,
  distance,
  formatLength,
  formatRatio,
  type Line,
  type Point,
} from "./length.ts";

type Annotation = ToolTypes.Annotation;

/** The heart's greatest width. */
export class HeartTool extends LengthTool {
  static override toolName = "Heart";
}

/** The inner width of the thorax. */
export class ThoraxTool extends LengthTool {
  static override toolName = "Thorax";
}

const TEXTS: Record<string, (points: Point[], imageId: string) => string[]> = {
  [LengthTool.toolName]: (points, imageId) => [lengthText(points, imageId)],
  [HeartTool.toolName]: (points, imageId) => [`Heart ${lengthText(points, imageId)}`],
  [ThoraxTool.toolName]: (points, imageId) => [
    `Thorax ${lengthText(points, imageId)}`,
    ...ratioTexts(imageId),
  ],
  [AngleTool.toolName]: (points) =>
    points.length === 3 ? [`${angleAt(points as [Point, Point, Point]).toFixed(1)}°`] : [],
};

export const MEASURING_TOOLS = [LengthTool, AngleTool, HeartTool, ThoraxTool];

/** Return the configuration of a measuring tool: its texts, computed from the drawn points. */
export function measuringConfiguration(toolName: string) {
  return {
    getTextLines: (data: Annotation["data"], targetId: string) =>
      textsOf(toolName, data, targetId.replace(/^imageId:/, "")),
  };
}

function textsOf(toolName: string, data: Annotation["data"], imageId: string): string[] {
  return TEXTS[toolName]?.(data.handles?.points ?? [], imageId) ?? [];
}

function lengthText(points: Point[], imageId: string): string {
  const [first, last] = points;
  const image = loadedImage(imageId);
  return first && last && image
    ? formatLength(distance(first, last), image.display.pixel)
    : "not measured";
}

function ratioTexts(imageId: string): string[] {
  const [heart, thorax] = [HeartTool, ThoraxTool].map(({ toolName }) => lineOf(toolName, imageId));
  return heart && thorax ? [formatRatio(cardiothoracicRatio(heart, thorax))] : [];
}

function lineOf(toolName: string, imageId: string): Line | undefined {
  return finished(imageId).find(({ metadata }) => metadata?.toolName === toolName)?.data.handles
    ?.points as Line | undefined;
}

/** Annotations in the order in which they were begun, and those whose last point is set. */
const begun: string[] = [];
const completed = new Set<string>();

function annotationsOf(imageId: string): Annotation[] {
  return annotation.state
    .getAllAnnotations()
    .filter(({ metadata }) => metadata?.referencedImageId === imageId)
    .toSorted((first, second) => placeOf(first) - placeOf(second));
}

const uidOf = ({ annotationUID }: Annotation) => annotationUID ?? "";
const placeOf = (drawing: Annotation) => begun.indexOf(uidOf(drawing));

function finished(imageId: string): Annotation[] {
  return annotationsOf(imageId).filter((drawing) => completed.has(uidOf(drawing)));
}

export interface Measurement {
  id: string;
  text: string;
}

/** Return the measurements of an image, the oldest first. */
export function measurementsOf(imageId: string): Measurement[] {
  return finished(imageId).map((drawing) => ({
    id: uidOf(drawing),
    text: `${kindOf(drawing)} ${textsOf(drawing.metadata?.toolName ?? "", drawing.data, imageId).join("; ")}`.trim(),
  }));
}

function kindOf({ metadata }: Annotation): string {
  const { toolName } = metadata ?? {};
  return toolName === LengthTool.toolName || toolName === AngleTool.toolName ? toolName : "";
}

/** The line that the cardiothoracic ratio needs next; null if both are drawn. */
export function nextRatioLine(imageId: string): typeof HeartTool | typeof ThoraxTool | null {
  const missing = [HeartTool, ThoraxTool].find(({ toolName }) => !lineOf(toolName, imageId));
  return missing ?? null;
}

const { Events } = Enums;
const CHANGES = [
  Events.ANNOTATION_ADDED,
  Events.ANNOTATION_MODIFIED,
  Events.ANNOTATION_COMPLETED,
  Events.ANNOTATION_REMOVED,
];

function remember(event: Event) {
  const { annotation: changed } = (event as CustomEvent<{ annotation: Annotation }>).detail;
  const uid = uidOf(changed);
  if (event.type === Events.ANNOTATION_ADDED && !begun.includes(uid)) {
    begun.push(uid);
  } else if (event.type === Events.ANNOTATION_COMPLETED) {
    completed.add(uid);
  }
}
eventTarget.addEventListener(Events.ANNOTATION_ADDED, remember);
eventTarget.addEventListener(Events.ANNOTATION_COMPLETED, remember);

/** Call a listener after each change of a measurement; return how to stop. */
export function watchMeasurements(listener: () => void): () => void {
  for (const event of CHANGES) {
    eventTarget.addEventListener(event, listener);
  }
  return () => {
    for (const event of CHANGES) {
      eventTarget.removeEventListener(event, listener);
    }
  };
}

/** Remove the annotations that are being drawn in a viewport and lack their last point. */
export function cancelDrawing({ element }: Types.IStackViewport): void {
  const unfinished = annotation.state
    .getAllAnnotations()
    .filter((drawing) => !completed.has(uidOf(drawing)));
  cancelActiveManipulations(element);
  for (const drawing of unfinished) {
    annotation.state.removeAnnotation(uidOf(drawing));
  }
}

/** Measurements that were removed last from an image, to be put back on it. */
const removed = new Map<string, Annotation[]>();

/** Remove measurements of an image, all or the last one; they can be put back. */
export function removeMeasurements(imageId: string, which: "all" | "last"): void {
  const all = finished(imageId);
  const some = which === "all" ? all : all.slice(-1);
  if (some.length > 0) {
    removed.set(imageId, some);
  }
  for (const drawing of some) {
    annotation.state.removeAnnotation(uidOf(drawing));
  }
}

/** Return how many measurements can be put back on an image. */
export function countRemoved(imageId: string): number {
  return removed.get(imageId)?.length ?? 0;
}

export function restoreMeasurements(imageId: string): void {
  const some = removed.get(imageId) ?? [];
  removed.delete(imageId);
  for (const drawing of some) {
    annotation.state.addAnnotation(drawing, drawing.metadata?.FrameOfReferenceUID ?? "");
  }
}

/** Forget all measurements; they were never saved. */
export function forgetMeasurements(): void {
  annotation.state.removeAllAnnotations();
  begun.length = 0;
  completed.clear();
  removed.clear();
}

// Cornerstone3D, started once, with what this page needs of it.

import {
  cache,
  imageLoader,
  init as initCore,
  RenderingEngine,
  type Types,
  utilities,
} from "@cornerstonejs/core";
import {
  addTool,
  Enums,
  init as initTools,
  PanTool,
  ToolGroupManager,
  WindowLevelTool,
  ZoomTool,
} from "@cornerstonejs/tools";
import * as clinic from "../api/clinic.ts";
import { parseGreyMap } from "./pgm.ts";

export type Tool = "window" | "zoom" | "pan";

const NAMES: Record<Tool, string> = {
  window: WindowLevelTool.toolName,
  zoom: ZoomTool.toolName,
  pan: PanTool.toolName,
};
const GROUP = "radiographs";
const { MouseBindings } = Enums;

/** What each tool is bound to beside the first button, which belongs to the one that is chosen. */
const ALSO: Record<Tool, object[]> = {
  window: [],
  zoom: [
    { mouseButton: MouseBindings.Secondary },
    { mouseButton: MouseBindings.Wheel },
    { numTouchPoints: 2 },
  ],
  pan: [{ mouseButton: MouseBindings.Auxiliary }, { numTouchPoints: 3 }],
};

let engine: RenderingEngine | undefined;

export function renderingEngine(): RenderingEngine {
  if (engine === undefined) {
    initCore();
    initTools();
    engine = new RenderingEngine("clinic");
    const group = ToolGroupManager.createToolGroup(GROUP);
    for (const tool of [WindowLevelTool, ZoomTool, PanTool]) {
      addTool(tool);
      group?.addTool(tool.toolName);
    }
    chooseTool("window");
  }
  return engine;
}

/** Give the first mouse button, or one finger, to a tool. */
export function chooseTool(chosen: Tool): void {
  const group = ToolGroupManager.getToolGroup(GROUP);
  for (const [tool, name] of Object.entries(NAMES) as [Tool, string][]) {
    const first = tool === chosen ? [{ mouseButton: MouseBindings.Primary }] : [];
    group?.setToolPassive(name, { removeAllBindings: true });
    const bindings = [...first, ...ALSO[tool]];
    if (bindings.length > 0) {
      group?.setToolActive(name, { bindings });
    }
  }
}

export interface Move {
  tool: Tool;
  /** Steps. */
  right?: number;
  up?: number;
}

const FACTOR = 1.1; // of a step, for what is wide or large
const STEP = 0.05; // of the window's width, and of the view's

/** Do at the keyboard what dragging does, a step at a time. */
export function moveView(viewport: Types.IStackViewport, { tool, right = 0, up = 0 }: Move): void {
  const range = viewport.getProperties().voiRange;
  if (tool === "zoom") {
    viewport.setZoom(viewport.getZoom() * FACTOR ** (right + up));
  } else if (tool === "pan") {
    const [x, y] = viewport.getPan();
    const step = STEP * viewport.element.clientWidth;
    viewport.setPan([x + right * step, y - up * step]);
  } else if (range) {
    // A lower level makes it brighter.
    const width = range.upper - range.lower;
    const level = (range.upper + range.lower) / 2 - up * STEP * width;
    const half = (width * FACTOR ** right) / 2;
    viewport.setProperties({ voiRange: { lower: level - half, upper: level + half } });
  }
  viewport.render();
}

export function joinTools(viewport: string): void {
  ToolGroupManager.getToolGroup(GROUP)?.addViewport(viewport, renderingEngine().id);
}

export function leaveTools(viewport: string): void {
  ToolGroupManager.getToolGroup(GROUP)?.removeViewports(renderingEngine().id, viewport);
}

/** Take new sizes of places; what was not moved shows all of its radiograph again. */
export function resizeAll(): void {
  const all = renderingEngine().getViewports() as Types.IStackViewport[];
  const unmoved = all.filter((one) => !isMoved(one));
  renderingEngine().resize(true, true);
  for (const viewport of unmoved) {
    viewport.resetCamera();
    viewport.render();
  }
}

function isMoved(viewport: Types.IStackViewport): boolean {
  const [right, down] = viewport.getPan();
  return Math.abs(viewport.getZoom() - 1) > 0.01 || Math.hypot(right, down) > 1;
}

/** Return Cornerstone's identifier of an image whose grey values are loaded, all of them. */
export async function loadImage(id: string): Promise<string> {
  const imageId = `clinic:${id}`;
  if (cache.getImage(imageId) === undefined) {
    const map = parseGreyMap(await clinic.pixels(id));
    utilities.genericMetadataProvider.add(imageId, {
      type: "generalSeriesModule",
      metadata: { modality: "DX" },
    });
    const image: Types.IImage = imageLoader.createAndCacheLocalImage(imageId, {
      scalarData: map.values,
      dimensions: [map.width, map.height],
      spacing: [1, 1],
    });
    // As `viewport.setProperties` takes it: of DICOM's linear function (PS3.3, C.11.2.1.2).
    image.windowWidth = map.high - map.low + 1;
    image.windowCenter = (map.low + map.high + 1) / 2;
  }
  return imageId;
}

/** Forget all grey values: patients do not stay in memory when their study is closed. */
export function forgetImages(): void {
  cache.purgeCache();
}

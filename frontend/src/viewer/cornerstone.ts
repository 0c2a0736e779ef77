// Cornerstone3D: the rendering engine, the mouse and keyboard tools, and the loading of images.

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
import { api, unwrap } from "../api/client.ts";
import { parseGreyMap } from "./grey-map.ts";

export type Tool = "window" | "zoom" | "pan";

const TOOL_NAMES: Record<Tool, string> = {
  window: WindowLevelTool.toolName,
  zoom: ZoomTool.toolName,
  pan: PanTool.toolName,
};
const GROUP = "radiographs";
const { MouseBindings } = Enums;

/** Bindings that a tool always has; the primary button belongs to the tool that is chosen. */
const FIXED_BINDINGS: Record<Tool, object[]> = {
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

/** Bind the primary mouse button, or one finger, to a tool. */
export function chooseTool(chosen: Tool): void {
  const group = ToolGroupManager.getToolGroup(GROUP);
  for (const [tool, name] of Object.entries(TOOL_NAMES) as [Tool, string][]) {
    const primary = tool === chosen ? [{ mouseButton: MouseBindings.Primary }] : [];
    group?.setToolPassive(name, { removeAllBindings: true });
    const bindings = [...primary, ...FIXED_BINDINGS[tool]];
    if (bindings.length > 0) {
      group?.setToolActive(name, { bindings });
    }
  }
}

export interface Move {
  tool: Tool;
  /** Number of steps to the right; negative to the left. */
  right?: number;
  /** Number of steps up; negative down. */
  up?: number;
}

const STEP_FACTOR = 1.1; // of the zoom and of the window's width
const STEP_SHARE = 0.05; // of the window's width for the level, of the view's width for panning

/** Use a tool by the keyboard, in steps. */
export function moveView(viewport: Types.IStackViewport, { tool, right = 0, up = 0 }: Move): void {
  const range = viewport.getProperties().voiRange;
  if (tool === "zoom") {
    viewport.setZoom(viewport.getZoom() * STEP_FACTOR ** (right + up));
  } else if (tool === "pan") {
    const [x, y] = viewport.getPan();
    const step = STEP_SHARE * viewport.element.clientWidth;
    viewport.setPan([x + right * step, y - up * step]);
  } else if (range) {
    // A lower level makes the image brighter.
    const width = range.upper - range.lower;
    const level = (range.upper + range.lower) / 2 - up * STEP_SHARE * width;
    const half = (width * STEP_FACTOR ** right) / 2;
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

/** Adapt the viewports to new sizes; radiographs that were not moved are fitted again. */
export function resizeAll(): void {
  const viewports = renderingEngine().getViewports() as Types.IStackViewport[];
  const unmoved = viewports.filter((viewport) => !isMoved(viewport));
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

function loadPixels(id: string): Promise<ArrayBuffer> {
  const params = { path: { image_id: id } };
  return unwrap(api.GET("/v1/images/{image_id}/pixels", { params, parseAs: "arrayBuffer" }));
}

/** Load all grey values of an image; return Cornerstone's identifier of it. */
export async function loadImage(id: string): Promise<string> {
  const imageId = `clinic:${id}`;
  if (cache.getImage(imageId) === undefined) {
    const map = parseGreyMap(await loadPixels(id));
    utilities.genericMetadataProvider.add(imageId, {
      type: "generalSeriesModule",
      metadata: { modality: "DX" },
    });
    const image: Types.IImage = imageLoader.createAndCacheLocalImage(imageId, {
      scalarData: map.values,
      dimensions: [map.width, map.height],
      spacing: [1, 1],
    });
    // Width and centre of DICOM's linear function (PS3.3, C.11.2.1.2), as Cornerstone expects them.
    image.windowWidth = map.high - map.low + 1;
    image.windowCenter = (map.low + map.high + 1) / 2;
  }
  return imageId;
}

/** Forget all grey values, so that no patient stays in memory after the study is closed. */
export function forgetImages(): void {
  cache.purgeCache();
}

// Cornerstone3D: the rendering engine, the tools and which of them the pointer uses.

import { eventTarget, init as initCore, RenderingEngine, type Types } from "@cornerstonejs/core";
import {
  AngleTool,
  addTool,
  annotation,
  Enums,
  init as initTools,
  LengthTool,
  MagnifyTool,
  PanTool,
  SynchronizerManager,
  synchronizers,
  ToolGroupManager,
  WindowLevelTool,
} from "@cornerstonejs/tools";
import { forgetImages as forgetPixels } from "./images.ts";
import {
  cancelDrawing,
  forgetMeasurements,
  MEASURING_TOOLS,
  measuringConfiguration,
  nextRatioLine,
} from "./measurements.ts";
import { fit, isFitted } from "./view.ts";
import { PacedZoomTool } from "./zoom-tool.ts";

export type Tool = "window" | "zoom" | "pan" | "magnifier" | "length" | "angle" | "ratio";

const GROUP = "radiographs";
const LINK = "linked views";
const { MouseBindings, Events } = Enums;

const MOVING_TOOLS = [WindowLevelTool, PacedZoomTool, PanTool, MagnifyTool];

const TOOL_NAMES: Record<Exclude<Tool, "ratio">, string> = {
  window: WindowLevelTool.toolName,
  zoom: PacedZoomTool.toolName,
  pan: PanTool.toolName,
  magnifier: MagnifyTool.toolName,
  length: LengthTool.toolName,
  angle: AngleTool.toolName,
};

/** Bindings that a tool always has; the primary button belongs to the tool that is chosen. */
const FIXED_BINDINGS: Record<string, object[]> = {
  [PacedZoomTool.toolName]: [
    { mouseButton: MouseBindings.Secondary },
    { mouseButton: MouseBindings.Wheel },
    { numTouchPoints: 2 },
  ],
  [PanTool.toolName]: [{ mouseButton: MouseBindings.Auxiliary }, { numTouchPoints: 3 }],
};

const MAGNIFICATION = 8; // of the tool, by the view's height: three to four times on a screen

let engine: RenderingEngine | undefined;
let chosen: Tool = "window";
/** The viewport that the pointer used last. */
let used = "";

export function renderingEngine(): RenderingEngine {
  if (engine === undefined) {
    initCore();
    initTools();
    engine = new RenderingEngine("clinic");
    const group = ToolGroupManager.createToolGroup(GROUP);
    for (const tool of [...MOVING_TOOLS, ...MEASURING_TOOLS]) {
      addTool(tool);
    }
    for (const { toolName } of MOVING_TOOLS) {
      group?.addTool(toolName, toolName === MagnifyTool.toolName ? MAGNIFIER : {});
    }
    for (const { toolName } of MEASURING_TOOLS) {
      group?.addTool(toolName, measuringConfiguration(toolName));
    }
    const { style } = annotation.config;
    const styles = style.getDefaultToolStyles();
    style.setDefaultToolStyles({ ...styles, global: { ...styles.global, ...LABELS } });
    // The second line of the ratio follows the first.
    eventTarget.addEventListener(Events.ANNOTATION_COMPLETED, bindTools);
    eventTarget.addEventListener(Events.ANNOTATION_REMOVED, bindTools);
    bindTools();
  }
  return engine;
}

/** Labels are legible on black and on white. */
const LABELS = { textBoxBackground: "rgb(0 0 0 / 65%)", textBoxMargin: "3", lineWidth: "1.5" };

const MAGNIFIER = { magnifySize: MAGNIFICATION };

export function viewportNamed(name: string): Types.IStackViewport | undefined {
  return renderingEngine().getViewport(name) as Types.IStackViewport | undefined;
}

function viewports(): Types.IStackViewport[] {
  return renderingEngine().getViewports() as Types.IStackViewport[];
}

/** Bind the primary mouse button, or one finger, to a tool. */
export function chooseTool(tool: Tool): void {
  for (const viewport of viewports()) {
    cancelDrawing(viewport);
  }
  chosen = tool;
  bindTools();
}

/** Say which viewport is about to be used: the ratio's next line depends on its image. */
export function setUsedViewport(name: string): void {
  if (name !== used) {
    used = name;
    bindTools();
  }
}

function primaryTool(): string | undefined {
  if (chosen !== "ratio") {
    return TOOL_NAMES[chosen];
  }
  const imageId = viewportNamed(used)?.getCurrentImageId() ?? "";
  return nextRatioLine(imageId)?.toolName;
}

function bindTools(): void {
  const group = ToolGroupManager.getToolGroup(GROUP);
  const primary = primaryTool();
  for (const { toolName } of [...MOVING_TOOLS, ...MEASURING_TOOLS]) {
    const bindings = [
      ...(toolName === primary ? [{ mouseButton: MouseBindings.Primary }] : []),
      ...(FIXED_BINDINGS[toolName] ?? []),
    ];
    // Passive tools still let their measurements be corrected.
    group?.setToolPassive(toolName, { removeAllBindings: true });
    if (bindings.length > 0) {
      group?.setToolActive(toolName, { bindings });
    }
  }
}

export function joinTools(viewport: string): void {
  ToolGroupManager.getToolGroup(GROUP)?.addViewport(viewport, renderingEngine().id);
}

export function leaveTools(viewport: string): void {
  ToolGroupManager.getToolGroup(GROUP)?.removeViewports(renderingEngine().id, viewport);
}

/** Zoom and pan two viewports together, from what the first shows now; return how to stop. */
export function linkViews(first: string, second: string): () => void {
  const synchronizer = synchronizers.createZoomPanSynchronizer(LINK);
  const renderingEngineId = renderingEngine().id;
  for (const viewportId of [first, second]) {
    synchronizer.add({ renderingEngineId, viewportId });
  }
  const viewport = viewportNamed(first);
  viewport?.setCamera(viewport.getCamera());
  return () => SynchronizerManager.destroySynchronizer(LINK);
}

/** Adapt the viewports to new sizes; radiographs that were fitted are fitted again. */
export function resizeAll(): void {
  const fitted = viewports().filter(isFitted);
  renderingEngine().resize(true, true);
  for (const viewport of fitted) {
    fit(viewport);
    viewport.render();
  }
}

/** Draw all viewports again, with their measurements. */
export function drawAll(): void {
  for (const viewport of viewports()) {
    viewport.render();
  }
}

/** Forget pixels and measurements, so that no patient stays in memory after the study is closed. */
export function forgetImages(): void {
  forgetMeasurements();
  forgetPixels();
}

// The keys of the view.

import { type Shortcut, useKeys } from "../shell/keyboard.tsx";
import type { Tool } from "../viewer/cornerstone.ts";
import { type Move, moveView } from "../viewer/view.ts";
import type { Act } from "../viewer/viewer.tsx";
import {
  ARROWS,
  arrowKind,
  COMMANDS,
  putBackLines,
  removeLines,
  TOOLS,
  toggleFullScreen,
} from "./commands.ts";

interface Keys {
  tool: Tool;
  chooseTool: (tool: Tool) => void;
  /** For the radiograph that is used. */
  act: Act;
  reset: () => void;
  nextPreset: () => void;
  toggleHeatMap: () => void;
  changeOpacity: (step: number) => void;
  compareLast: () => void;
  compareOlder: () => void;
  toggleLink: () => void;
  useOther: () => void;
  openHeader: () => void;
  showImage: (step: number) => void;
}

const OPACITY_STEP = 0.1;

export function useViewKeys(keys: Keys): void {
  const { act, tool } = keys;
  const move = (by: Move) => act((viewport) => moveView(viewport, by));
  useKeys("View", [
    ...TOOLS.map(([tool, , key, description]) => ({
      keys: [key],
      description,
      action: () => keys.chooseTool(tool),
    })),
    {
      keys: Object.keys(ARROWS),
      description: "window (narrower, wider, brighter, darker), zoom or pan",
      action: (key) => move({ kind: arrowKind(tool), ...ARROWS[key] }),
    },
    {
      keys: ["+", "-"],
      description: "zoom in, zoom out",
      action: (key) => move({ kind: "zoom", up: key === "-" ? -1 : 1 }),
    },
    shortcut(["v"], "next window: those of the file, then others", keys.nextPreset),
    ...Object.values(COMMANDS).map(({ key, description, action }) =>
      shortcut([key], description, () => act(action)),
    ),
    shortcut(["Delete", "Backspace"], "remove the last measurement", () =>
      act((viewport) => removeLines(viewport, "last")),
    ),
    shortcut(["u"], "put removed measurements back", () => act(putBackLines)),
    shortcut(["r"], "reset the view, and remove its measurements", keys.reset),
    shortcut(["h"], "heat map", keys.toggleHeatMap),
    {
      keys: [",", "."],
      description: "heat map fainter, stronger",
      action: (key) => keys.changeOpacity(key === "." ? OPACITY_STEP : -OPACITY_STEP),
    },
    shortcut(["c"], "compare with the last prior", keys.compareLast),
    shortcut(["b"], "compare with the next older prior", keys.compareOlder),
    shortcut(["y"], "zoom and pan both together, or not", keys.toggleLink),
    shortcut([";"], "use the tools on the other radiograph", keys.useOther),
    {
      keys: ["[", "]"],
      description: "previous image, next image of the study",
      action: (key) => keys.showImage(key === "]" ? 1 : -1),
    },
    shortcut(["s"], "full screen", toggleFullScreen),
    shortcut(["e"], "DICOM header", keys.openHeader),
    shortcut(["P"], "print", () => print()),
  ]);
}

function shortcut(keys: string[], description: string, action: () => void): Shortcut {
  return { keys, description, action };
}

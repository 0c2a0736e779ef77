// A radiograph in a Cornerstone viewport, with its heat map and measurements over it.

import { Enums, type Types } from "@cornerstonejs/core";
import { type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import {
  joinTools,
  leaveTools,
  renderingEngine,
  resizeAll,
  setUsedViewport,
  type Tool,
} from "./cornerstone.ts";
import { drawHeatMap } from "./heat-map.ts";
import { loadedImage, loadImage } from "./images.ts";
import { MeasurementList } from "./measurement-list.tsx";
import { type Measurement, measurementsOf, watchMeasurements } from "./measurements.ts";
import { Notices } from "./notices.tsx";
import { type Orientation, orientationOf, scaleOf } from "./view.ts";
import { formatWindow, isSame, type Preset } from "./window.ts";

export type ViewerName = "current" | "prior";

/** Do something with a viewer's viewport, and draw it again. */
export type Act = (action: (viewport: Types.IStackViewport) => void) => void;

export interface ViewState extends Orientation {
  inverted: boolean;
  presets: Preset[];
  /** Index of the preset that is shown; -1 for another window. */
  preset: number;
}

interface Props {
  name: ViewerName;
  caption: string;
  image: string;
  heatMap: ImageBitmap | null;
  opacity: number;
  tool: Tool;
  act: RefObject<Act | null>;
  /** Whose radiograph it is, where two are shown. */
  header?: ReactNode;
  /** Whether the tools of the page are for this one of two. */
  isUsed: boolean;
  use: (name: ViewerName) => void;
  changed: (name: ViewerName, state: ViewState) => void;
  shown: (name: ViewerName, image: string) => void;
}

export function Viewer(props: Props) {
  const { name, caption, image, heatMap, opacity, act } = props;
  const element = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const viewport = useRef<Types.IStackViewport>(null);
  const latest = useRef(props);
  const [viewText, setViewText] = useState("");
  const [view, setView] = useState<ViewState | null>(null);
  const [measurements, setMeasurements] = useState<Measurement[]>([]);
  const [imageId, setImageId] = useState("");
  const [state, setState] = useState<"loading" | "shown" | string>("loading"); // or an error
  latest.current = props;

  useEffect(() => {
    const place = element.current;
    if (place === null) {
      return;
    }
    const engine = renderingEngine();
    engine.enableElement({
      viewportId: name,
      type: Enums.ViewportType.STACK,
      element: place,
      defaultOptions: { background: [0, 0, 0] },
    });
    viewport.current = engine.getViewport(name) as Types.IStackViewport;
    joinTools(name);

    const draw = () => {
      if (canvas.current && viewport.current) {
        const { heatMap, opacity } = latest.current;
        drawHeatMap(canvas.current, viewport.current, heatMap, opacity);
        setViewText(describeView(viewport.current));
        setView((before) => keepIfEqual(before, viewState(viewport.current)));
      }
    };
    const use = () => {
      setUsedViewport(name); // before Cornerstone handles the event
      latest.current.use(name);
    };
    place.addEventListener(Enums.Events.IMAGE_RENDERED, draw);
    place.addEventListener("pointerdown", use, { capture: true });
    place.addEventListener("contextmenu", (event) => event.preventDefault()); // the button zooms
    const resizeObserver = new ResizeObserver(resizeAll);
    resizeObserver.observe(place);
    return () => {
      resizeObserver.disconnect();
      place.removeEventListener(Enums.Events.IMAGE_RENDERED, draw);
      place.removeEventListener("pointerdown", use, { capture: true });
      leaveTools(name);
      engine.disableElement(name);
      viewport.current = null;
    };
  }, [name]);

  useEffect(() => {
    let outdated = false;
    setState("loading");
    loadImage(image)
      .then(async (imageId) => {
        if (!outdated && viewport.current) {
          await viewport.current.setStack([imageId]);
          showAsAtFirst(viewport.current);
          viewport.current.render();
          setImageId(imageId);
          setState("shown");
          latest.current.shown(name, image);
        }
      })
      .catch((problem: Error) => !outdated && setState(problem.message));
    return () => {
      outdated = true;
    };
  }, [name, image]);

  useEffect(() => {
    const update = () => setMeasurements(measurementsOf(imageId));
    update();
    return watchMeasurements(update);
  }, [imageId]);

  useEffect(() => {
    if (view !== null) {
      latest.current.changed(name, view);
    }
  }, [name, view]);

  useEffect(() => {
    if (canvas.current && viewport.current) {
      drawHeatMap(canvas.current, viewport.current, heatMap, opacity);
    }
  }, [heatMap, opacity]);

  useEffect(() => {
    act.current = (action) => {
      if (viewport.current) {
        action(viewport.current);
        viewport.current.render();
      }
    };
  });

  const isShown = state === "shown";
  return (
    <figure
      className="viewer"
      data-state={isShown ? "shown" : "waiting"}
      data-used={props.header ? props.isUsed : undefined}
    >
      {props.header}
      <div className="stage">
        <div ref={element} className="pixels" />
        <canvas ref={canvas} className="heat-map" />
        {isShown && view && (
          <Notices view={view} tool={props.tool} imageId={imageId} measurements={measurements}>
            <MeasurementList imageId={imageId} measurements={measurements} />
          </Notices>
        )}
        {!isShown && (
          <p className="loading" role="status">
            {state === "loading"
              ? "Loading the radiograph"
              : `The radiograph cannot be shown: ${state}. Reload the page; if that does not help, tell an administrator.`}
          </p>
        )}
      </div>
      <figcaption>
        <span>{caption}</span>
        <output>{isShown && viewText}</output>
      </figcaption>
    </figure>
  );
}

/** Show a radiograph as its file asks for, upright and fitted. */
export function showAsAtFirst(viewport: Types.IStackViewport): void {
  viewport.resetCamera();
  viewport.resetProperties();
}

function viewState(viewport: Types.IStackViewport | null): ViewState | null {
  if (viewport === null) {
    return null;
  }
  const { invert = false, voiRange } = viewport.getProperties();
  const presets = loadedImage(viewport.getCurrentImageId())?.presets ?? [];
  return {
    ...orientationOf(viewport),
    inverted: invert,
    presets,
    preset: presets.findIndex(({ range }) => voiRange && isSame(range, voiRange)),
  };
}

/** Return the state before if nothing of it has changed, so that nothing is rendered again. */
function keepIfEqual(before: ViewState | null, now: ViewState | null): ViewState | null {
  const keys = ["flipped", "turned", "inverted", "presets", "preset"] as const;
  return before && now && keys.every((key) => before[key] === now[key]) ? before : now;
}

/** Return the window in the units of the file, and the scale: 100 % is a pixel for a pixel. */
function describeView(viewport: Types.IStackViewport): string {
  const range = viewport.getProperties().voiRange;
  const image = loadedImage(viewport.getCurrentImageId());
  if (!range || !image) {
    return "";
  }
  const percent = (100 * scaleOf(viewport)).toFixed(0);
  return `${formatWindow(range, image.display.file_values)} · ${percent} %`;
}

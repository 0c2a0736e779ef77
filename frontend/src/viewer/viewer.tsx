// A radiograph in a Cornerstone viewport, with its heat map over it.

import { Enums, type Types } from "@cornerstonejs/core";
import { type RefObject, useEffect, useRef, useState } from "react";
import {
  joinTools,
  leaveTools,
  loadImage,
  type Move,
  moveView,
  renderingEngine,
  resizeAll,
} from "./cornerstone.ts";
import { drawHeatMap } from "./heat-map.ts";

export interface Handle {
  reset: () => void;
  move: (by: Move) => void;
}

interface Props {
  name: string;
  caption: string;
  image: string;
  inverted: boolean;
  heatMap: ImageBitmap | null;
  opacity: number;
  handle: RefObject<Handle | null>;
}

export function Viewer({ name, caption, image, inverted, heatMap, opacity, handle }: Props) {
  const element = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const viewport = useRef<Types.IStackViewport>(null);
  const overlay = useRef({ heatMap, opacity });
  const [viewText, setViewText] = useState("");
  const [state, setState] = useState<"loading" | "shown" | string>("loading"); // or an error
  overlay.current = { heatMap, opacity };

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
        const { heatMap, opacity } = overlay.current;
        drawHeatMap(canvas.current, viewport.current, heatMap, opacity);
        setViewText(describeView(viewport.current));
      }
    };
    place.addEventListener(Enums.Events.IMAGE_RENDERED, draw);
    place.addEventListener("contextmenu", (event) => event.preventDefault()); // the button zooms
    const resizeObserver = new ResizeObserver(resizeAll);
    resizeObserver.observe(place);
    return () => {
      resizeObserver.disconnect();
      place.removeEventListener(Enums.Events.IMAGE_RENDERED, draw);
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
          viewport.current.render();
          setState("shown");
        }
      })
      .catch((problem: Error) => !outdated && setState(problem.message));
    return () => {
      outdated = true;
    };
  }, [image]);

  useEffect(() => {
    if (state === "shown") {
      viewport.current?.setProperties({ invert: inverted });
      viewport.current?.render();
    }
  }, [inverted, state]);

  useEffect(() => {
    if (canvas.current && viewport.current) {
      drawHeatMap(canvas.current, viewport.current, heatMap, opacity);
    }
  }, [heatMap, opacity]);

  useEffect(() => {
    handle.current = {
      move: (by) => viewport.current && moveView(viewport.current, by),
      reset: () => {
        viewport.current?.resetCamera();
        viewport.current?.resetProperties();
        viewport.current?.render();
      },
    };
  });

  return (
    <figure className="viewer" data-state={state === "shown" ? "shown" : "waiting"}>
      <div ref={element} className="pixels" />
      <canvas ref={canvas} className="heat-map" />
      <figcaption>
        <span>{caption}</span>
        <output>{viewText}</output>
      </figcaption>
      {state !== "shown" && (
        <p className="loading" role="status">
          {state === "loading" ? "Loading the radiograph" : state}
        </p>
      )}
    </figure>
  );
}

/** Return the window (width, level) and the zoom, as radiographers write them. */
function describeView(viewport: Types.IStackViewport): string {
  const range = viewport.getProperties().voiRange;
  if (!range) {
    return "";
  }
  const width = Math.round(range.upper - range.lower);
  const level = Math.round((range.upper + range.lower) / 2);
  return `W ${width} L ${level} · ${viewport.getZoom().toFixed(1)}×`;
}

// One radiograph in a Cornerstone viewport, with its heat map over it.

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
import { drawLayer } from "./layer.ts";

export interface Handle {
  reset: () => void;
  move: (by: Move) => void;
}

interface Props {
  name: string;
  caption: string;
  image: string;
  inverted: boolean;
  layer: ImageBitmap | null;
  opacity: number;
  handle: RefObject<Handle | null>;
}

export function Viewer({ name, caption, image, inverted, layer, opacity, handle }: Props) {
  const element = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const viewport = useRef<Types.IStackViewport>(null);
  const drawn = useRef({ layer, opacity });
  const [window, setWindow] = useState("");
  const [state, setState] = useState<"loading" | "shown" | string>("loading");
  drawn.current = { layer, opacity };

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
        const { layer, opacity } = drawn.current;
        drawLayer(canvas.current, viewport.current, layer, opacity);
        setWindow(told(viewport.current));
      }
    };
    place.addEventListener(Enums.Events.IMAGE_RENDERED, draw);
    place.addEventListener("contextmenu", (event) => event.preventDefault()); // zooms instead
    const sized = new ResizeObserver(resizeAll);
    sized.observe(place);
    return () => {
      sized.disconnect();
      place.removeEventListener(Enums.Events.IMAGE_RENDERED, draw);
      leaveTools(name);
      engine.disableElement(name);
      viewport.current = null;
    };
  }, [name]);

  useEffect(() => {
    let late = false;
    setState("loading");
    loadImage(image)
      .then(async (imageId) => {
        if (!late && viewport.current) {
          await viewport.current.setStack([imageId]);
          viewport.current.render();
          setState("shown");
        }
      })
      .catch((problem: Error) => !late && setState(problem.message));
    return () => {
      late = true;
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
      drawLayer(canvas.current, viewport.current, layer, opacity);
    }
  }, [layer, opacity]);

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
      <canvas ref={canvas} className="layer" />
      <figcaption>
        <span>{caption}</span>
        <output>{window}</output>
      </figcaption>
      {state !== "shown" && (
        <p className="over" role="status">
          {state === "loading" ? "Loading the radiograph" : state}
        </p>
      )}
    </figure>
  );
}

/** The window and the enlargement, as radiographers write them. */
function told(viewport: Types.IStackViewport): string {
  const range = viewport.getProperties().voiRange;
  if (!range) {
    return "";
  }
  const width = Math.round(range.upper - range.lower);
  const level = Math.round((range.upper + range.lower) / 2);
  return `W ${width} L ${level} · ${viewport.getZoom().toFixed(1)}×`;
}

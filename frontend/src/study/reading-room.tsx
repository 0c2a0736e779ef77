// The viewer with its tools, and the reading and the judgements beside it.

import { useEffect, useRef, useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { Image, Session, Study } from "../api/schema.d.ts";
import { formatTime, mostUrgentImage, studyTime } from "../shell/format.ts";
import { useKeys } from "../shell/keyboard.tsx";
import { useRequest } from "../shell/use-request.ts";
import { chooseTool, type Move, type Tool } from "../viewer/cornerstone.ts";
import { type Handle, Viewer } from "../viewer/viewer.tsx";
import { ImageTabs } from "./image-tabs.tsx";
import { Judgements } from "./judgements.tsx";
import { ModelLimits } from "./model-limits.tsx";
import { ReadingPanel } from "./reading.tsx";
import { Toolbar } from "./toolbar.tsx";
import { useHeatMap } from "./use-heat-map.ts";

const OPACITY = 0.55;
const OPACITY_STEP = 0.1;

const ARROWS: Record<string, Omit<Move, "tool">> = {
  ArrowLeft: { right: -1 },
  ArrowRight: { right: 1 },
  ArrowUp: { up: 1 },
  ArrowDown: { up: -1 },
};

interface Props {
  study: Study;
  session: Session;
  changed: () => void;
}

export function ReadingRoom({ study, session, changed }: Props) {
  const [index, setIndex] = useState(() => study.images.indexOf(mostUrgentImage(study) as Image));
  const [tool, setTool] = useState<Tool>("window");
  const [inverted, setInverted] = useState(false);
  const [heatMapWanted, setHeatMapWanted] = useState(false);
  const [opacity, setOpacity] = useState(OPACITY);
  const [prior, setPrior] = useState<Study | null>(null);
  const viewer = useRef<Handle>(null);
  const priorViewer = useRef<Handle>(null);
  const { value: models = [] } = useRequest(() => unwrap(api.GET("/v1/models")));
  const { value: priors = [] } = useRequest(
    () =>
      unwrap(
        api.GET("/v1/studies/{study_id}/priors", { params: { path: { study_id: study.id } } }),
      ),
    [study.id],
  );

  const image = study.images[index] ?? study.images[0];
  const priorImage =
    prior?.images.find(({ reading }) => reading?.view === image?.reading?.view) ?? prior?.images[0];
  const heatMapAvailable = image?.reading?.has_heatmap ?? false;
  const heatMap = useHeatMap(image, heatMapWanted);
  const priorHeatMap = useHeatMap(priorImage, heatMapWanted);

  useEffect(() => chooseTool(tool), [tool]);
  function reset() {
    setInverted(false);
    viewer.current?.reset();
    priorViewer.current?.reset();
  }
  function move(by: Move) {
    viewer.current?.move(by);
    priorViewer.current?.move(by);
  }
  useKeys("View", [
    { keys: ["w"], description: "window, by dragging or arrows", action: () => setTool("window") },
    { keys: ["z"], description: "zoom, by dragging or arrows", action: () => setTool("zoom") },
    { keys: ["p"], description: "pan, by dragging or arrows", action: () => setTool("pan") },
    {
      keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
      description: "window (narrower, wider, brighter, darker), zoom or pan",
      action: (key) => move({ tool, ...ARROWS[key] }),
    },
    {
      keys: ["+", "-"],
      description: "zoom in, zoom out",
      action: (key) => move({ tool: "zoom", up: key === "-" ? -1 : 1 }),
    },
    { keys: ["i"], description: "invert", action: () => setInverted((on) => !on) },
    {
      keys: ["h"],
      description: "heat map",
      action: () => setHeatMapWanted((on) => heatMapAvailable && !on),
    },
    {
      keys: [",", "."],
      description: "heat map fainter, stronger",
      action: (key) => {
        const step = key === "." ? OPACITY_STEP : -OPACITY_STEP;
        setOpacity((now) => Math.min(1, Math.max(0, now + step)));
      },
    },
    { keys: ["r"], description: "reset the view", action: reset },
    {
      keys: ["c"],
      description: "compare with the last prior",
      action: () => setPrior((shown) => (shown ? null : (priors[0] ?? null))),
    },
    {
      keys: ["b"],
      description: "compare with the next older prior",
      action: () => setPrior(priors[(priors.indexOf(prior as Study) + 1) % priors.length] ?? null),
    },
    {
      keys: ["[", "]"],
      description: "previous image, next image of the study",
      action: (key) => {
        const count = study.images.length;
        setIndex((now) => (now + (key === "]" ? 1 : count - 1)) % count);
      },
    },
  ]);

  if (image === undefined) {
    return null;
  }
  const whyNotShown = reasonNotShown(image);
  const view = { inverted, opacity };
  const model = models.find(({ bundle }) => bundle === image.reading?.bundle);
  return (
    <>
      <Toolbar
        tool={tool}
        chooseTool={setTool}
        inverted={inverted}
        invert={() => setInverted(!inverted)}
        reset={reset}
        heatMapShown={heatMapWanted && heatMapAvailable}
        heatMapAvailable={heatMapAvailable}
        toggleHeatMap={() => setHeatMapWanted(!heatMapWanted)}
        opacity={opacity}
        setOpacity={setOpacity}
        priors={priors}
        prior={prior}
        compare={setPrior}
      />
      <section className={prior ? "views two" : "views"} aria-label="Radiographs">
        <ImageTabs images={study.images} index={index} choose={setIndex} />
        {whyNotShown ? (
          <p className="empty">{whyNotShown}</p>
        ) : (
          <Viewer
            {...view}
            name="current"
            caption={`${image.name} · ${formatTime(studyTime(study))}`}
            image={image.id}
            heatMap={heatMap.bitmap}
            handle={viewer}
          />
        )}
        {prior && priorImage && (
          <Viewer
            {...view}
            name="prior"
            caption={`Prior · ${formatTime(studyTime(prior))}`}
            image={priorImage.id}
            heatMap={priorHeatMap.bitmap}
            handle={priorViewer}
          />
        )}
      </section>
      <aside aria-label="Reading and judgement">
        <ReadingPanel
          image={image}
          models={models}
          heatMap={heatMap}
          heatMapShown={heatMapWanted}
        />
        {image.state === "done" && (
          <Judgements
            key={image.id}
            study={study}
            image={image}
            session={session}
            showImage={setIndex}
            changed={changed}
          />
        )}
        {(model ? [model] : models).map((model) => (
          <ModelLimits key={model.bundle} model={model} />
        ))}
      </aside>
    </>
  );
}

/** Return why an image cannot be shown; null if it can. */
function reasonNotShown({ state, reading }: Image): string | null {
  if (state === "waiting") {
    return "This radiograph is waiting to be read and is shown afterwards.";
  }
  return reading?.status === "failed" ? "This file cannot be decoded; send it again." : null;
}

// The viewer with its tools, and the reading and the judgements beside it.

import { type RefObject, useEffect, useRef, useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { Image, PriorStudy, Session, Study } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { mostUrgentImage, studyTime } from "../shell/format.ts";
import { useRequest } from "../shell/use-request.ts";
import { chooseTool, type Tool } from "../viewer/cornerstone.ts";
import { Viewer } from "../viewer/viewer.tsx";
import type { Preset } from "../viewer/window.ts";
import { reset } from "./commands.ts";
import { DicomHeader, hasHeader } from "./dicom-header.tsx";
import { IdentityBar } from "./identity-bar.tsx";
import { ImageTabs } from "./image-tabs.tsx";
import { Judgements } from "./judgements.tsx";
import { ModelLimits } from "./model-limits.tsx";
import { Printed, usePrintSize } from "./printed.tsx";
import { ReadingPanel } from "./reading.tsx";
import { Toolbar } from "./toolbar.tsx";
import { useHeatMap } from "./use-heat-map.ts";
import { useViewers } from "./use-viewers.ts";
import { useViewKeys } from "./view-keys.ts";

const OPACITY = 0.55;

interface Props {
  study: Study;
  /** The image that is shown, for the time after a change of the study. */
  shown: RefObject<string | undefined>;
  session: Session;
  changed: () => void;
}

export function ReadingRoom({ study, shown, session, changed }: Props) {
  const [index, setIndex] = useState(() => {
    const before = study.images.findIndex(({ id }) => id === shown.current);
    return before >= 0 ? before : study.images.indexOf(mostUrgentImage(study) as Image);
  });
  const [tool, setTool] = useState<Tool>("window");
  const [heatMapWanted, setHeatMapWanted] = useState(false);
  const [opacity, setOpacity] = useState(OPACITY);
  const [prior, setPrior] = useState<PriorStudy | null>(null);
  const [headerShown, setHeaderShown] = useState(false);
  const { value: models = [], error: modelsError } = useRequest(() =>
    unwrap(api.GET("/v1/models")),
  );
  const { value: priors, error: priorsError } = useRequest(
    () =>
      unwrap(
        api.GET("/v1/studies/{study_id}/priors", { params: { path: { study_id: study.id } } }),
      ),
    [study.id],
  );
  const [last = null, ...older] = priors ?? [];

  const image = study.images[index] ?? study.images[0];
  const imageId = image?.id;
  useEffect(() => {
    shown.current = imageId;
  }, [shown, imageId]);
  const priorImage =
    prior?.images.find(({ reading }) => reading?.view === image?.reading?.view) ?? prior?.images[0];
  const viewers = useViewers(prior !== null && priorImage !== undefined);
  const usedImage = viewers.used === "prior" ? priorImage : image;
  const heatMapAvailable = image?.reading?.has_heatmap ?? false;
  const heatMap = useHeatMap(image, heatMapWanted);
  const priorHeatMap = useHeatMap(priorImage, heatMapWanted);

  const views = useRef<HTMLElement>(null);

  usePrintSize(views);
  useEffect(() => chooseTool(tool), [tool]);
  const toggleHeatMap = () => setHeatMapWanted((on) => heatMapAvailable && !on);
  const showPreset = ({ range }: Preset) =>
    viewers.act((viewport) => viewport.setProperties({ voiRange: range }));
  const openHeader = () => setHeaderShown(usedImage !== undefined && hasHeader(usedImage));
  const resetAll = () => viewers.actOnAll(reset);
  useViewKeys({
    ...viewers,
    tool,
    chooseTool: setTool,
    reset: resetAll,
    nextPreset: () => {
      const { presets = [], preset = -1 } = viewers.view ?? {};
      const next = presets[(preset + 1) % presets.length];
      if (next) {
        showPreset(next);
      }
    },
    toggleHeatMap,
    changeOpacity: (step) => setOpacity((now) => Math.min(1, Math.max(0, now + step))),
    compareLast: () => setPrior((shown) => (shown ? null : last)),
    compareOlder: () =>
      setPrior([last, ...older][(priors ?? []).indexOf(prior as PriorStudy) + 1] ?? last),
    openHeader,
    showImage: (step) => {
      const count = study.images.length;
      setIndex((now) => (now + step + count) % count);
    },
  });

  if (image === undefined) {
    return null;
  }
  const whyNotShown = reasonNotShown(image);
  const isShown = viewers.images[viewers.used] === usedImage?.id && !whyNotShown;
  const model = models.find(({ bundle }) => bundle === image.reading?.bundle);
  const view = {
    opacity,
    tool,
    use: viewers.use,
    changed: viewers.changed,
    shown: viewers.shown,
  };
  return (
    <>
      <Toolbar
        {...viewers}
        view={isShown ? viewers.view : undefined}
        tool={tool}
        chooseTool={setTool}
        reset={resetAll}
        showPreset={showPreset}
        heatMapShown={heatMapWanted && heatMapAvailable}
        heatMapAvailable={heatMapAvailable}
        toggleHeatMap={toggleHeatMap}
        opacity={opacity}
        setOpacity={setOpacity}
        priors={priors}
        priorsError={priorsError}
        prior={prior}
        compare={setPrior}
        hasHeader={usedImage !== undefined && hasHeader(usedImage)}
        openHeader={openHeader}
      />
      <section ref={views} className={prior ? "views two" : "views"} aria-label="Radiographs">
        <ImageTabs images={study.images} index={index} choose={setIndex} />
        {whyNotShown ? (
          <p className="empty">{whyNotShown}</p>
        ) : (
          <Viewer
            {...view}
            name="current"
            caption={`${image.name} · ${studyTime(study)}`}
            image={image.id}
            heatMap={heatMap.bitmap}
            act={viewers.current}
            isUsed={viewers.used === "current"}
            header={
              prior && (
                <IdentityBar which="Current" study={study} image={image} other={prior.patient} />
              )
            }
          />
        )}
        {prior && priorImage && (
          <Viewer
            {...view}
            name="prior"
            caption={`${priorImage.name} · ${studyTime(prior)}`}
            image={priorImage.id}
            heatMap={priorHeatMap.bitmap}
            act={viewers.prior}
            isUsed={viewers.used === "prior"}
            header={
              <IdentityBar
                which="Prior"
                study={prior}
                image={priorImage}
                other={study.patient}
                caution={prior.caution}
              />
            }
          />
        )}
      </section>
      <aside aria-label="Reading and judgement">
        <Printed image={image} />
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
            canJudge={whyNotShown !== null || viewers.images.current === image.id}
            showImage={setIndex}
            changed={changed}
          />
        )}
        <ErrorMessage error={modelsError && `The limits cannot be shown: ${modelsError}`} />
        {(model ? [model] : models).map((model) => (
          <ModelLimits key={model.bundle} model={model} />
        ))}
      </aside>
      {headerShown && usedImage && (
        <DicomHeader image={usedImage} close={() => setHeaderShown(false)} />
      )}
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

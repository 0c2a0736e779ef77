// A study: its radiographs as they came, what was read of them, and what people say of that.

import { useCallback, useEffect, useRef, useState } from "react";
import * as clinic from "../api/clinic.ts";
import { watchWorklist } from "../api/live.ts";
import type { Image, SignedIn, Study } from "../api/types.ts";
import { foremost, identifier, moment, patientName, taken } from "../shell/format.ts";
import { useKeys } from "../shell/keys.tsx";
import { go, Link } from "../shell/router.tsx";
import { useLoaded } from "../shell/use-loaded.ts";
import { usePage } from "../shell/use-page.ts";
import "../style/study.css";
import "../style/viewer.css";
import { chooseTool, forgetImages, type Move, type Tool } from "../viewer/cornerstone.ts";
import { type Handle, Viewer } from "../viewer/viewer.tsx";
import { neighbour, rememberOpened } from "../worklist/memory.ts";
import { ImageTabs } from "./image-tabs.tsx";
import { Judgements } from "./judgements.tsx";
import { Limits } from "./limits.tsx";
import { ReadingPanel } from "./reading.tsx";
import { Toolbar } from "./toolbar.tsx";
import { useLayer } from "./use-layer.ts";

export default function StudyPage({ id, who }: { id: string; who: SignedIn }) {
  const { value: study, error, reload } = useLoaded(useCallback(() => clinic.study(id), [id]));
  const waiting = study?.images.some((one) => one.state === "waiting") ?? false;
  useEffect(() => (waiting ? watchWorklist(reload) : undefined), [waiting, reload]);
  useEffect(() => forgetImages, []);
  useEffect(() => {
    document.documentElement.dataset.room = "dark"; // also the bar above, on a light screen
    return () => {
      delete document.documentElement.dataset.room;
    };
  }, []);

  const step = (by: number) => {
    const next = neighbour(id, by);
    if (next !== undefined) {
      go(`/studies/${next}`);
    }
  };
  usePage("Study");
  useEffect(() => rememberOpened(id), [id]);
  useKeys("Study", [
    { keys: ["j"], does: "next study of the worklist", action: () => step(1) },
    { keys: ["k"], does: "study before", action: () => step(-1) },
    { keys: ["Escape"], does: "back to the worklist", action: () => go("/") },
  ]);

  return (
    <main id="main" tabIndex={-1} className="reading-room">
      {error && (
        <p role="alert" className="problem">
          {error}. <Link href="/">To the worklist</Link>
        </p>
      )}
      {study && <Opened study={study} who={who} changed={reload} step={step} />}
    </main>
  );
}

const STEPS: [number, string][] = [
  [-1, "Study before"],
  [1, "Next study"],
];

const DIRECTIONS: Record<string, Omit<Move, "tool">> = {
  ArrowLeft: { right: -1 },
  ArrowRight: { right: 1 },
  ArrowUp: { up: 1 },
  ArrowDown: { up: -1 },
};

const limited = (share: number) => Math.min(1, Math.max(0, share));

interface OpenedProps {
  study: Study;
  who: SignedIn;
  changed: () => void;
  step: (by: number) => void;
}

function Opened({ study, who, changed, step }: OpenedProps) {
  const [at, setAt] = useState(() => study.images.indexOf(foremost(study) as Image));
  const [tool, setTool] = useState<Tool>("window");
  const [inverted, setInverted] = useState(false);
  const [mapped, setMapped] = useState(false);
  const [opacity, setOpacity] = useState(0.55);
  const [prior, setPrior] = useState<Study | null>(null);
  const main = useRef<Handle>(null);
  const side = useRef<Handle>(null);
  const { value: model } = useLoaded(clinic.model);
  const { value: priors = [] } = useLoaded(useCallback(() => clinic.priors(study.id), [study.id]));

  const image = study.images[at] ?? study.images[0];
  const before = prior?.images.find((one) => sameView(one, image)) ?? prior?.images[0];
  const mapAvailable = image?.reading?.has_heatmap ?? false;
  const layer = useLayer(image, mapped);
  const layerBefore = useLayer(before, mapped);

  useEffect(() => chooseTool(tool), [tool]);
  function reset() {
    setInverted(false);
    main.current?.reset();
    side.current?.reset();
  }
  function move(by: Move) {
    main.current?.move(by);
    side.current?.move(by);
  }
  useKeys("View", [
    { keys: ["w"], does: "window, by dragging or arrows", action: () => setTool("window") },
    { keys: ["z"], does: "zoom, by dragging or arrows", action: () => setTool("zoom") },
    { keys: ["p"], does: "pan, by dragging or arrows", action: () => setTool("pan") },
    {
      keys: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
      does: "window (narrower, wider, brighter, darker), zoom or pan",
      action: (key) => move({ tool, ...DIRECTIONS[key] }),
    },
    {
      keys: ["+", "-"],
      does: "enlarge, make smaller",
      action: (key) => move({ tool: "zoom", up: key === "-" ? -1 : 1 }),
    },
    { keys: ["i"], does: "invert", action: () => setInverted((on) => !on) },
    { keys: ["h"], does: "heat map", action: () => setMapped((on) => mapAvailable && !on) },
    {
      keys: [",", "."],
      does: "heat map fainter, stronger",
      action: (key) => setOpacity((now) => limited(now + (key === "." ? 0.1 : -0.1))),
    },
    { keys: ["r"], does: "reset the view", action: reset },
    {
      keys: ["c"],
      does: "compare with the last prior",
      action: () => setPrior((shown) => (shown ? null : (priors[0] ?? null))),
    },
    {
      keys: ["b"],
      does: "compare with the prior before that",
      action: () => setPrior(priors[(priors.indexOf(prior as Study) + 1) % priors.length] ?? null),
    },
    {
      keys: ["[", "]"],
      does: "image before, next image of the study",
      action: (key) => {
        const count = study.images.length;
        setAt((n) => (n + (key === "]" ? 1 : count - 1)) % count);
      },
    },
  ]);

  if (image === undefined) {
    return null;
  }
  const shared = { inverted, opacity };
  return (
    <>
      <header className="subject">
        <h1>
          <bdi>{patientName(study.patient)}</bdi>
        </h1>
        <p>{subject(study)}</p>
        <p className="steps">
          {STEPS.map(([by, name]) => (
            <button
              key={name}
              type="button"
              className="quiet"
              disabled={neighbour(study.id, by) === undefined}
              onClick={() => step(by)}
            >
              {name}
            </button>
          ))}
        </p>
      </header>
      <Toolbar
        tool={tool}
        choose={setTool}
        inverted={inverted}
        invert={() => setInverted(!inverted)}
        reset={reset}
        mapped={mapped && mapAvailable}
        mapAvailable={mapAvailable}
        map={() => setMapped(!mapped)}
        opacity={opacity}
        setOpacity={setOpacity}
        priors={priors}
        prior={prior}
        compare={setPrior}
      />
      <section className={prior ? "views two" : "views"} aria-label="Radiographs">
        <ImageTabs images={study.images} at={at} choose={setAt} />
        {notShown(image) ? (
          <p className="empty">{notShown(image)}</p>
        ) : (
          <Viewer
            {...shared}
            name="current"
            caption={`${image.name} · ${moment(taken(study))}`}
            image={image.id}
            layer={layer.picture}
            handle={main}
          />
        )}
        {prior && before && (
          <Viewer
            {...shared}
            name="prior"
            caption={`Prior · ${moment(taken(prior))}`}
            image={before.id}
            layer={layerBefore.picture}
            handle={side}
          />
        )}
      </section>
      <aside aria-label="Reading and judgement">
        <ReadingPanel image={image} model={model} layer={layer} mapped={mapped} />
        {image.reading && <Judgements key={image.id} image={image} who={who} changed={changed} />}
        {model && <Limits model={model} />}
      </aside>
    </>
  );
}

/** Why an image cannot be shown; null if it can. */
function notShown({ state, reading }: Image): string | null {
  if (state === "waiting") {
    return "This radiograph waits to be read; it is shown after that.";
  }
  return reading?.status === "failed" ? "This file cannot be decoded; send it again." : null;
}

function sameView(one: Image, other: Image | undefined): boolean {
  return one.reading?.view === other?.reading?.view;
}

function subject({ patient, accession, site, acquired, received }: Study): string {
  const when = acquired ? `taken ${moment(acquired)}` : `received ${moment(received)}`;
  const number = accession && `accession ${accession}`;
  const known = [identifier(patient), patient.birth_date, patient.sex, number];
  return [...known, when, site !== "default" && site].filter(Boolean).join(" · ");
}

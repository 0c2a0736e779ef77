// A study: its radiographs, their readings, and the clinicians' judgements.

import { type ReactNode, useEffect, useRef } from "react";
import { api, unwrap } from "../api/client.ts";
import { watchWorklist } from "../api/live-updates.ts";
import type { Session, Study } from "../api/schema.d.ts";
import { ROUTES, studyPath } from "../routes.ts";
import { patientDetails, patientName, studyTime } from "../shell/format.ts";
import { useKeys } from "../shell/keyboard.tsx";
import { Link, navigate } from "../shell/router.tsx";
import { usePageTitle } from "../shell/use-page-title.ts";
import { useRequest } from "../shell/use-request.ts";
import "../style/study.css";
import "../style/viewer.css";
import "../style/print.css";
import { forgetImages } from "../viewer/cornerstone.ts";
import { neighbourOf, rememberOpened } from "../worklist/navigation.ts";
import { Corrections, mayCorrect } from "./corrections.tsx";
import { ReadingRoom } from "./reading-room.tsx";
import { StudyChangeNotice } from "./study-change.tsx";
import { useLease } from "./use-lease.ts";

const STEPS: [number, string][] = [
  [-1, "Previous study"],
  [1, "Next study"],
];

export default function StudyPage({ id, session }: { id: string; session: Session }) {
  const {
    value: study,
    error,
    reload,
  } = useRequest(
    () => unwrap(api.GET("/v1/studies/{study_id}", { params: { path: { study_id: id } } })),
    [id],
  );
  const shownImage = useRef<string>(undefined);
  const isWaiting = study?.images.some(({ state }) => state === "waiting") ?? false;
  useEffect(() => (isWaiting ? watchWorklist(reload) : undefined), [isWaiting, reload]);
  useEffect(() => forgetImages, []);
  const others = useLease(id).filter((name) => name !== session.name);
  useEffect(() => {
    document.documentElement.dataset.room = "dark"; // the header, too, where the system is light
    return () => {
      delete document.documentElement.dataset.room;
    };
  }, []);

  const open = (step: number) => {
    const neighbour = neighbourOf(id, step);
    if (neighbour !== undefined) {
      navigate(studyPath(neighbour));
    }
  };
  usePageTitle("Study");
  useEffect(() => rememberOpened(id), [id]);
  useKeys("Study", [
    { keys: ["j"], description: "next study of the worklist", action: () => open(1) },
    { keys: ["k"], description: "previous study", action: () => open(-1) },
    {
      keys: ["Escape"],
      description: "back to the worklist",
      action: () => navigate(ROUTES.worklist),
    },
  ]);

  return (
    <main id="main" tabIndex={-1} className="reading-room">
      {error && (
        <p role="alert" className="problem">
          {error}. <Link href={ROUTES.worklist}>Back to the worklist</Link>
        </p>
      )}
      {study && (
        <>
          <StudyHeader study={study} others={others} open={open}>
            <StudyChangeNotice key={study.id} study={study} reload={reload} />
            {study.conflict && (
              <p role="alert" className="conflict">
                <b>Needs a person:</b> {study.conflict}. Check whose radiographs these are
                {mayCorrect(session)
                  ? "; then correct or confirm the patient."
                  : " with a reviewer."}
              </p>
            )}
            {mayCorrect(session) && !study.purged && (
              <Corrections key={study.id} study={study} changed={reload} />
            )}
          </StudyHeader>
          {study.withdrawn ? (
            <p role="alert" className="problem">
              All images of this study were withdrawn, or moved to another study.{" "}
              <Link href={ROUTES.worklist}>Back to the worklist</Link>
            </p>
          ) : (
            // Anew after a correction: priors of the patient before must not stay.
            <ReadingRoom
              key={study.version}
              study={study}
              shown={shownImage}
              session={session}
              changed={reload}
            />
          )}
        </>
      )}
    </main>
  );
}

interface HeaderProps {
  study: Study;
  /** Names of the others who have the study open. */
  others: string[];
  open: (step: number) => void;
  children: ReactNode;
}

function StudyHeader({ study, others, open, children }: HeaderProps) {
  return (
    <header className="study-header">
      <h1>
        <bdi>{patientName(study.patient)}</bdi>
      </h1>
      <p>{description(study)}</p>
      <p className="state" aria-live="polite">
        {others.length > 0
          ? `also in review by ${others.join(", ")}`
          : study.status === "reviewed" && "reviewed"}
      </p>
      <p className="steps">
        {STEPS.map(([step, name]) => (
          <button
            key={name}
            type="button"
            className="quiet"
            disabled={neighbourOf(study.id, step) === undefined}
            onClick={() => open(step)}
          >
            {name}
          </button>
        ))}
      </p>
      {children}
    </header>
  );
}

function description(study: Study): string {
  const { accession, site } = study;
  return [
    ...patientDetails(study.patient, study.age),
    accession && `accession number ${accession}`,
    studyTime(study),
    site !== "default" && `site ${site}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

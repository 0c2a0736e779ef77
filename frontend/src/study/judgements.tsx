// The clinicians' judgements of an image: an answer to its reading, the reason for it, and all
// versions. Where the reading is hidden, they give their own opinion. Of an image that was not read,
// the answer is whether that was right.

import { type FormEvent, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { ApiError, api, unwrap } from "../api/client.ts";
import type { Image, Judgement, Session, Study } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { textOf } from "../shell/form.ts";
import { formatTime, isRead } from "../shell/format.ts";
import { useKeys } from "../shell/keyboard.tsx";
import { useRequest } from "../shell/use-request.ts";
import { dropDraft, getDraft, hasDrafts, type JudgementDraft, keepDraft } from "./drafts.ts";
import { NextStudyChoice, openNext } from "./next-study.tsx";

type Answer = NonNullable<Judgement["answer"]>;
type Opinion = NonNullable<Judgement["opinion"]>;
type Reason = NonNullable<Judgement["reason"]>;
type Truth = NonNullable<Judgement["truth"]>;

interface Wording {
  question: string;
  choices: { value: Answer | Opinion; key: string; name: string }[];
  /** The choice of no correct finding; null where that is not asked. */
  noTruth: string | null;
}

const OF_FINDING: Wording = {
  question: "Do you agree with the finding?",
  choices: [
    { value: "agree", key: "a", name: "Agree" },
    { value: "disagree", key: "d", name: "Disagree" },
    { value: "uncertain", key: "n", name: "Not sure" },
  ],
  noTruth: "as answered",
};

const OF_REFUSAL: Wording = {
  question: "Was it right not to read the image?",
  choices: [
    { value: "agree", key: "a", name: "Rightly not read" },
    { value: "disagree", key: "d", name: "Should be read" },
    { value: "uncertain", key: "n", name: "Not sure" },
  ],
  noTruth: "not stated",
};

/** Without knowledge of the reading. */
const OF_IMAGE: Wording = {
  question: "What do you see?",
  choices: [
    { value: "pneumonia", key: "7", name: "Pneumonia" },
    { value: "no pneumonia", key: "8", name: "No pneumonia" },
    { value: "not sure", key: "9", name: "Not sure" },
  ],
  noTruth: null,
};

function wordingOf({ withheld, reading }: Image): Wording {
  if (withheld) {
    return OF_IMAGE;
  }
  return reading && !isRead(reading) ? OF_REFUSAL : OF_FINDING;
}

const REASONS: Reason[] = [
  "opacity missed",
  "other disease",
  "artefact",
  "poor image",
  "clinical picture",
  "other",
];

/** Answers after which the study is shown anew: changed since it was opened, or withdrawn. */
const CHANGED = new Set([409, 410]);

addEventListener("beforeunload", (event) => {
  if (hasDrafts()) {
    event.preventDefault(); // browsers then ask whether to leave the page
  }
});

interface Props {
  study: Study;
  image: Image;
  session: Session;
  /** Whether the image is on the screen, or cannot be: what nobody sees is not judged. */
  canJudge: boolean;
  /** Show another image of the study. */
  showImage: (index: number) => void;
  changed: () => void;
}

export function Judgements({ study, image, session, canJudge, showImage, changed }: Props) {
  const {
    value: judgements,
    error,
    reload,
  } = useRequest(
    () =>
      unwrap(
        api.GET("/v1/images/{image_id}/judgements", { params: { path: { image_id: image.id } } }),
      ),
    [image.id],
  );
  const [others, setOthers] = useState<string[]>([]);
  const wording = wordingOf(image);
  const kind = wording === OF_IMAGE ? "opinion" : "answer";
  const own = judgements?.findLast(
    (judgement) => judgement.name === session.name && judgement[kind] !== null,
  );

  function saved(simultaneous: string[]) {
    setOthers(simultaneous);
    reload();
    changed();
    // Whoever is told something must have time to read it.
    if (simultaneous.length === 0) {
      void openNext(study.id, image.id, showImage, session.name);
    }
  }
  return (
    <section className="judgement" aria-labelledby="judgement-heading">
      <h2 id="judgement-heading">{wording === OF_IMAGE ? "Your opinion" : "Your judgement"}</h2>
      <ErrorMessage error={error} />
      {others.length > 0 && (
        <p className="notice" role="status">
          {others.join(", ")} saved a judgement of this image a moment ago. Both are kept.
        </p>
      )}
      {!canJudge && <p className="small">You can judge the radiograph once it is shown.</p>}
      {judgements && canJudge && (
        <JudgementForm
          key={`${kind} ${own?.version ?? 0}`}
          image={image}
          studyVersion={study.version}
          own={own}
          wording={wording}
          saved={saved}
          refused={changed}
        />
      )}
      <NextStudyChoice user={session.name} />
      {judgements && judgements.length > 0 && <History judgements={judgements} wording={wording} />}
    </section>
  );
}

interface FormProps {
  image: Image;
  /** The user's last judgement of this kind. */
  own: Judgement | undefined;
  wording: Wording;
  /** The version of the study that is shown; a judgement of another one is refused. */
  studyVersion: number;
  saved: (others: string[]) => void;
  /** The study is not any more as it is shown. */
  refused: () => void;
}

function JudgementForm({ image, own, wording, studyVersion, saved, refused }: FormProps) {
  const [draft] = useState(() => draftFor(image.id, wording));
  const initial = draft ?? own;
  const [answer, setAnswer] = useState(initial?.answer ?? initial?.opinion ?? null);
  const [changed, setChanged] = useState(draft !== undefined);
  const [error, setError] = useState("");
  const form = useRef<HTMLFormElement>(null);
  const saveButton = useRef<HTMLButtonElement>(null);
  const reasonField = useRef<HTMLSelectElement>(null);

  function change(chosen: Answer | Opinion | null) {
    setAnswer(chosen);
    setChanged(true);
    if (form.current && chosen) {
      keepDraft(image.id, judgementOf(form.current, chosen, wording));
    }
  }
  useKeys("Judgement", [
    ...wording.choices.map(({ value, key, name }) => ({
      keys: [key],
      description: `${name.toLowerCase()}; Enter then saves`,
      action: () => {
        flushSync(() => change(value));
        saveButton.current?.focus();
      },
    })),
    ...(wording === OF_IMAGE
      ? []
      : [
          {
            keys: ["t"],
            description: "reason, once answered",
            action: () => reasonField.current?.focus(),
          },
        ]),
  ]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (answer === null) {
      return;
    }
    const params = { path: { image_id: image.id } };
    const judgement = judgementOf(event.currentTarget, answer, wording);
    const body = { ...judgement, study_version: studyVersion };
    try {
      const { others } = await unwrap(
        api.POST("/v1/images/{image_id}/judgements", { params, body }),
      );
      dropDraft(image.id);
      saved(others);
    } catch (problem) {
      setError((problem as Error).message);
      if (problem instanceof ApiError && CHANGED.has(problem.status)) {
        refused(); // the draft stays
      }
    }
  }

  return (
    <form ref={form} onSubmit={submit} onChange={() => change(answer)}>
      <fieldset className="answers">
        <legend className={wording === OF_FINDING ? "hidden" : ""}>{wording.question}</legend>
        {wording.choices.map(({ value, key, name }) => (
          <label key={value}>
            <input
              type="radio"
              name="answer"
              value={value}
              checked={answer === value}
              onChange={(event) => {
                event.stopPropagation(); // the form's handler has the previous answer
                change(value);
              }}
            />
            <span>
              {name} <kbd>{key}</kbd>
            </span>
          </label>
        ))}
      </fieldset>
      <div className="details" hidden={answer === null}>
        {wording.noTruth !== null && (
          <>
            <label>
              Reason
              <select ref={reasonField} name="reason" defaultValue={initial?.reason ?? ""}>
                <option value="">none</option>
                {REASONS.map((reason) => (
                  <option key={reason}>{reason}</option>
                ))}
              </select>
            </label>
            <label>
              Correct finding
              <select name="truth" defaultValue={initial?.truth ?? ""}>
                <option value="">{wording.noTruth}</option>
                <option value="PNEUMONIA">pneumonia</option>
                <option value="NORMAL">no pneumonia</option>
              </select>
            </label>
          </>
        )}
        <label className="full-width">
          Comment
          <textarea name="text" rows={2} maxLength={4000} defaultValue={initial?.text ?? ""} />
        </label>
        <ErrorMessage error={error} className="full-width" />
        {draft && <p className="small full-width">Draft: not saved yet.</p>}
        <button ref={saveButton} type="submit" className="main" disabled={!changed}>
          {own ? (changed ? "Save change" : "Saved") : "Save"}
        </button>
      </div>
    </form>
  );
}

/** Return the judgement that a form contains. */
function judgementOf(
  form: HTMLFormElement,
  answer: Answer | Opinion,
  wording: Wording,
): JudgementDraft {
  const content = new FormData(form);
  const text = (name: string) => textOf(content, name).trim() || null;
  if (wording === OF_IMAGE) {
    return { opinion: answer as Opinion, text: text("text") };
  }
  return {
    answer: answer as Answer,
    truth: text("truth") as Truth | null,
    reason: text("reason") as Reason | null,
    text: text("text"),
  };
}

/** Return the draft for an image, unless its reading was shown or hidden since it was written. */
function draftFor(image: string, wording: Wording): JudgementDraft | undefined {
  const draft = getDraft(image);
  return Boolean(draft?.opinion) === (wording === OF_IMAGE) ? draft : undefined;
}

function History({ judgements, wording }: { judgements: Judgement[]; wording: Wording }) {
  return (
    <details className="history" open={judgements.length < 4}>
      <summary>All judgements ({judgements.length})</summary>
      <ol>
        {judgements.toReversed().map((judgement) => (
          <Version
            key={`${judgement.user} ${judgement.version}`}
            judgement={judgement}
            choices={judgement.opinion ? OF_IMAGE.choices : wording.choices}
          />
        ))}
      </ol>
    </details>
  );
}

interface VersionProps {
  judgement: Judgement;
  choices: Wording["choices"];
}

function Version({ judgement, choices }: VersionProps) {
  const { answer, opinion, blind, name, version, created, reason, truth, text } = judgement;
  const said = answer ?? opinion;
  const details = opinion
    ? [blind ? "judged blind" : "judged after the reading could be seen", text]
    : [
        "judged having seen the reading",
        reason,
        truth && (truth === "PNEUMONIA" ? "pneumonia" : "no pneumonia"),
        text,
      ];
  return (
    <li>
      <b className={answer ?? ""}>{choices.find(({ value }) => value === said)?.name}</b>{" "}
      <bdi>{name}</bdi>, version {version}, {formatTime(created)}
      {details.filter(Boolean).map((detail) => (
        <span key={detail}>
          {" "}
          · <bdi>{detail}</bdi>
        </span>
      ))}
    </li>
  );
}

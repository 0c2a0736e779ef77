// The clinicians' judgements of a reading: an answer, the reason for it, and all versions. Of an
// image that was not read, the answer is whether that was right.

import { type FormEvent, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { api, unwrap } from "../api/client.ts";
import type { Image, Judgement, NewJudgement, Session } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { textOf } from "../shell/form.ts";
import { formatTime, isRead } from "../shell/format.ts";
import { useKeys } from "../shell/keyboard.tsx";
import { useRequest } from "../shell/use-request.ts";
import { dropDraft, getDraft, hasDrafts, keepDraft } from "./drafts.ts";

type Answer = Judgement["answer"];
type Reason = NonNullable<Judgement["reason"]>;
type Truth = NonNullable<Judgement["truth"]>;

const KEYS: [Answer, string][] = [
  ["agree", "a"],
  ["disagree", "d"],
  ["uncertain", "n"],
];

interface Wording {
  question: string;
  answers: Record<Answer, string>;
  /** The choice of no correct finding. */
  noTruth: string;
}

const OF_FINDING: Wording = {
  question: "Do you agree with the finding?",
  answers: { agree: "Agree", disagree: "Disagree", uncertain: "Not sure" },
  noTruth: "as answered",
};

const OF_REFUSAL: Wording = {
  question: "Was it right not to read the image?",
  answers: { agree: "Rightly not read", disagree: "Should be read", uncertain: "Not sure" },
  noTruth: "not stated",
};

const REASONS: Reason[] = [
  "opacity missed",
  "other disease",
  "artefact",
  "poor image",
  "clinical picture",
  "other",
];

addEventListener("beforeunload", (event) => {
  if (hasDrafts()) {
    event.preventDefault(); // browsers then ask whether to leave the page
  }
});

interface Props {
  image: Image;
  session: Session;
  changed: () => void;
}

export function Judgements({ image, session, changed }: Props) {
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
  const own = judgements?.findLast(({ name }) => name === session.name);
  const wording = image.reading && !isRead(image.reading) ? OF_REFUSAL : OF_FINDING;
  return (
    <section className="judgement" aria-labelledby="judgement-heading">
      <h2 id="judgement-heading">Your judgement</h2>
      <ErrorMessage error={error} />
      {judgements && (
        <JudgementForm
          key={own?.version ?? 0}
          image={image}
          own={own}
          wording={wording}
          saved={() => {
            reload();
            changed();
          }}
        />
      )}
      {judgements && judgements.length > 0 && <History judgements={judgements} wording={wording} />}
    </section>
  );
}

interface FormProps {
  image: Image;
  /** The user's last judgement. */
  own: Judgement | undefined;
  wording: Wording;
  saved: () => void;
}

function JudgementForm({ image, own, wording, saved }: FormProps) {
  const [draft] = useState(getDraft(image.id));
  const initial = draft ?? own;
  const [answer, setAnswer] = useState<Answer | null>(initial?.answer ?? null);
  const [changed, setChanged] = useState(draft !== undefined);
  const [error, setError] = useState("");
  const form = useRef<HTMLFormElement>(null);
  const saveButton = useRef<HTMLButtonElement>(null);
  const reasonField = useRef<HTMLSelectElement>(null);

  function change(chosen: Answer | null) {
    setAnswer(chosen);
    setChanged(true);
    if (form.current && chosen) {
      keepDraft(image.id, judgementOf(form.current, chosen));
    }
  }
  useKeys("Judgement", [
    ...KEYS.map(([chosen, key]) => ({
      keys: [key],
      description: `${wording.answers[chosen].toLowerCase()}; Enter then saves`,
      action: () => {
        flushSync(() => change(chosen));
        saveButton.current?.focus();
      },
    })),
    {
      keys: ["t"],
      description: "reason, once answered",
      action: () => reasonField.current?.focus(),
    },
  ]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (answer === null) {
      return;
    }
    const params = { path: { image_id: image.id } };
    const body = judgementOf(event.currentTarget, answer);
    try {
      await api.POST("/v1/images/{image_id}/judgements", { params, body });
      dropDraft(image.id);
      saved();
    } catch (problem) {
      setError((problem as Error).message);
    }
  }

  return (
    <form ref={form} onSubmit={submit} onChange={() => change(answer)}>
      <fieldset className="answers">
        <legend className={wording === OF_FINDING ? "hidden" : ""}>{wording.question}</legend>
        {KEYS.map(([chosen, key]) => (
          <label key={chosen} className={chosen}>
            <input
              type="radio"
              name="answer"
              value={chosen}
              checked={answer === chosen}
              onChange={(event) => {
                event.stopPropagation(); // the form's handler has the previous answer
                change(chosen);
              }}
            />
            <span>
              {wording.answers[chosen]} <kbd>{key}</kbd>
            </span>
          </label>
        ))}
      </fieldset>
      <div className="details" hidden={answer === null}>
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
function judgementOf(form: HTMLFormElement, answer: Answer): NewJudgement {
  const content = new FormData(form);
  const text = (name: string) => textOf(content, name).trim() || null;
  return {
    answer,
    truth: text("truth") as Truth | null,
    reason: text("reason") as Reason | null,
    text: text("text"),
  };
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
            answers={wording.answers}
          />
        ))}
      </ol>
    </details>
  );
}

interface VersionProps {
  judgement: Judgement;
  answers: Wording["answers"];
}

function Version({ judgement, answers }: VersionProps) {
  const { answer, name, version, created, reason, truth, text } = judgement;
  return (
    <li>
      <b className={answer}>{answers[answer]}</b> <bdi>{name}</bdi>, version {version},{" "}
      {formatTime(created)}
      {[reason, truth?.toLowerCase(), text].filter(Boolean).map((detail) => (
        <span key={detail}>
          {" "}
          · <bdi>{detail}</bdi>
        </span>
      ))}
    </li>
  );
}

// The clinicians' judgements of a reading: an answer, the reason for it, and all versions.

import { type FormEvent, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { api, unwrap } from "../api/client.ts";
import type { Image, Judgement, NewJudgement, Session } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { textOf } from "../shell/form.ts";
import { formatTime } from "../shell/format.ts";
import { useKeys } from "../shell/keyboard.tsx";
import { useRequest } from "../shell/use-request.ts";
import { dropDraft, getDraft, hasDrafts, keepDraft } from "./drafts.ts";

type Answer = Judgement["answer"];
type Reason = NonNullable<Judgement["reason"]>;
type Truth = NonNullable<Judgement["truth"]>;

const ANSWERS: [Answer, string, string][] = [
  ["agree", "Agree", "a"],
  ["disagree", "Disagree", "d"],
  ["uncertain", "Not sure", "n"],
];

const REASONS: Reason[] = [
  "opacity missed",
  "other disease",
  "artefact",
  "poor image",
  "clinical picture",
  "other",
];

const TRUTHS: [Truth | "", string][] = [
  ["", "as answered"],
  ["PNEUMONIA", "pneumonia"],
  ["NORMAL", "no pneumonia"],
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
  return (
    <section className="judgement" aria-labelledby="judgement-heading">
      <h2 id="judgement-heading">Your judgement</h2>
      <ErrorMessage error={error} />
      {judgements && (
        <JudgementForm
          key={own?.version ?? 0}
          image={image}
          own={own}
          saved={() => {
            reload();
            changed();
          }}
        />
      )}
      {judgements && judgements.length > 0 && <History judgements={judgements} />}
    </section>
  );
}

interface FormProps {
  image: Image;
  /** The user's last judgement. */
  own: Judgement | undefined;
  saved: () => void;
}

function JudgementForm({ image, own, saved }: FormProps) {
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
    ...ANSWERS.map(([chosen, name, key]) => ({
      keys: [key],
      description: `${name.toLowerCase()}; Enter then saves`,
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
        <legend className="hidden">Do you agree with the finding?</legend>
        {ANSWERS.map(([chosen, name, key]) => (
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
              {name} <kbd>{key}</kbd>
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
            {TRUTHS.map(([truth, name]) => (
              <option key={truth} value={truth}>
                {name}
              </option>
            ))}
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

function History({ judgements }: { judgements: Judgement[] }) {
  return (
    <details className="history" open={judgements.length < 4}>
      <summary>All judgements ({judgements.length})</summary>
      <ol>
        {judgements.toReversed().map((judgement) => (
          <Version key={`${judgement.user} ${judgement.version}`} judgement={judgement} />
        ))}
      </ol>
    </details>
  );
}

function Version({ judgement }: { judgement: Judgement }) {
  const { answer, name, version, created, reason, truth, text } = judgement;
  return (
    <li>
      <b className={answer}>{ANSWERS.find(([known]) => known === answer)?.[1]}</b> <bdi>{name}</bdi>
      , version {version}, {formatTime(created)}
      {[reason, truth?.toLowerCase(), text].filter(Boolean).map((detail) => (
        <span key={detail}>
          {" "}
          · <bdi>{detail}</bdi>
        </span>
      ))}
    </li>
  );
}

// What people say of a reading: an answer, why, and every version of it.

import { type FormEvent, useCallback, useRef, useState } from "react";
import { flushSync } from "react-dom";
import * as clinic from "../api/clinic.ts";
import {
  type Answer,
  type Image,
  type Judgement,
  type Opinion,
  REASONS,
  type Reason,
  type SignedIn,
  type Truth,
} from "../api/types.ts";
import { moment } from "../shell/format.ts";
import { useKeys } from "../shell/keys.tsx";
import { useLoaded } from "../shell/use-loaded.ts";
import { draftOf, dropDraft, hasDrafts, keepDraft } from "./drafts.ts";

const ANSWERS: [Answer, string, string][] = [
  ["agree", "Agree", "a"],
  ["disagree", "Disagree", "d"],
  ["uncertain", "Not sure", "n"],
];

const TRUTHS: [Truth | "", string][] = [
  ["", "as answered"],
  ["PNEUMONIA", "pneumonia"],
  ["NORMAL", "no pneumonia"],
];

addEventListener("beforeunload", (event) => {
  if (hasDrafts()) {
    event.preventDefault(); // browsers then ask
  }
});

interface Props {
  image: Image;
  who: SignedIn;
  changed: () => void;
}

export function Judgements({ image, who, changed }: Props) {
  const { value, error, reload } = useLoaded(
    useCallback(() => clinic.judgements(image.id), [image.id]),
  );
  const mine = value?.findLast((one) => one.name === who.name);
  return (
    <section className="judgement" aria-labelledby="judgement-heading">
      <h2 id="judgement-heading">Your judgement</h2>
      {error && <p className="problem">{error}</p>}
      {value && (
        <Form
          key={mine?.version ?? 0}
          image={image}
          mine={mine}
          saved={() => {
            reload();
            changed();
          }}
        />
      )}
      {value && value.length > 0 && <History all={value} />}
    </section>
  );
}

interface FormProps {
  image: Image;
  mine: Judgement | undefined;
  saved: () => void;
}

function Form({ image, mine, saved }: FormProps) {
  const [draft] = useState(draftOf(image.id));
  const begun = draft ?? mine;
  const [answer, setAnswer] = useState<Answer | null>(begun?.answer ?? null);
  const [changing, setChanging] = useState(draft !== undefined);
  const [error, setError] = useState("");
  const form = useRef<HTMLFormElement>(null);
  const save = useRef<HTMLButtonElement>(null);
  const why = useRef<HTMLSelectElement>(null);

  function change(chosen: Answer | null) {
    setAnswer(chosen);
    setChanging(true);
    if (form.current && chosen) {
      keepDraft(image.id, opinion(form.current, chosen));
    }
  }
  useKeys("Judgement", [
    ...ANSWERS.map(([chosen, name, key]) => ({
      keys: [key],
      does: `${name.toLowerCase()} (Enter saves)`,
      action: () => {
        flushSync(() => change(chosen));
        save.current?.focus();
      },
    })),
    { keys: ["t"], does: "to the reason, once answered", action: () => why.current?.focus() },
  ]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (answer === null) {
      return;
    }
    try {
      await clinic.judge(image.id, opinion(event.currentTarget, answer));
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
                event.stopPropagation(); // to the form, which knows the answer before
                change(chosen);
              }}
            />
            <span>
              {name} <kbd>{key}</kbd>
            </span>
          </label>
        ))}
      </fieldset>
      <div className="more" hidden={answer === null}>
        <label>
          Reason
          <select ref={why} name="reason" defaultValue={begun?.reason ?? ""}>
            <option value="">none</option>
            {REASONS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label>
          It shows
          <select name="truth" defaultValue={begun?.truth ?? ""}>
            {TRUTHS.map(([truth, name]) => (
              <option key={truth} value={truth}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label className="wide">
          In your words
          <textarea name="text" rows={2} maxLength={4000} defaultValue={begun?.text ?? ""} />
        </label>
        {error && (
          <p role="alert" className="problem wide">
            {error}
          </p>
        )}
        {draft && <p className="small wide">You have not saved this yet.</p>}
        <button ref={save} type="submit" className="main" disabled={!changing}>
          {mine ? (changing ? "Save the change" : "Saved") : "Save"}
        </button>
      </div>
    </form>
  );
}

/** What a form says. */
function opinion(form: HTMLFormElement, answer: Answer): Opinion {
  const given = new FormData(form);
  const text = (name: string) => String(given.get(name) ?? "").trim() || null;
  return {
    answer,
    truth: text("truth") as Truth | null,
    reason: text("reason") as Reason | null,
    text: text("text"),
  };
}

function History({ all }: { all: Judgement[] }) {
  return (
    <details className="history" open={all.length < 4}>
      <summary>All that was said ({all.length})</summary>
      <ol>
        {all.toReversed().map((one) => (
          <li key={`${one.user} ${one.version}`}>
            <b className={one.answer}>{ANSWERS.find(([answer]) => answer === one.answer)?.[1]}</b>{" "}
            <bdi>{one.name}</bdi>, version {one.version}, {moment(one.created)}
            {[one.reason, one.truth?.toLowerCase(), one.text].filter(Boolean).map((said) => (
              <span key={said}>
                {" "}
                · <bdi>{said}</bdi>
              </span>
            ))}
          </li>
        ))}
      </ol>
    </details>
  );
}

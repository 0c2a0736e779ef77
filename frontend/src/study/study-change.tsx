// Changes of a study while it is open: its patient corrected, an image withdrawn, read again or added.

import { useEffect, useRef, useState } from "react";
import { api, unwrap } from "../api/client.ts";
import { watchWorklist } from "../api/live-updates.ts";
import type { Study, StudyVersion } from "../api/schema.d.ts";
import { formatTime } from "../shell/format.ts";
import { dropDraft, getDraft } from "./drafts.ts";

interface Props {
  study: Study;
  reload: () => void;
}

/** Show a change of the study at once, with its time and what was not saved of images that left. */
export function StudyChangeNotice({ study, reload }: Props) {
  const { id, version } = study;
  const opened = useRef({ version, images: study.images.map(({ id }) => id) });
  const [latest, setLatest] = useState<StudyVersion>();
  const [, setDiscarded] = useState(0);

  useEffect(() => {
    let closed = false;
    const check = () => {
      requestVersion(id).then(
        (found) => !closed && found.version !== version && reload(),
        () => {}, // the other requests of the page say why
      );
    };
    const unwatch = watchWorklist(check);
    check(); // after the change that was shown, another may have come
    return () => {
      closed = true;
      unwatch();
    };
  }, [id, version, reload]);

  useEffect(() => {
    if (version !== opened.current.version) {
      requestVersion(id).then(setLatest, () => {});
    }
  }, [id, version]);

  if (latest === undefined) {
    return null;
  }
  const present = new Set(study.images.map(({ id }) => id));
  const left = opened.current.images.filter((image) => !present.has(image) && getDraft(image));
  return (
    <div role="alert" className="notice">
      <p>
        <b>This study was changed</b>
        {latest.changed && ` at ${formatTime(latest.changed)}`}
        {latest.change && `: ${latest.change}`}. Look at it again before you save.
      </p>
      {left.map((image) => {
        const draft = getDraft(image);
        return (
          <p key={image}>
            Not saved, for an image that is no longer here: {draft?.answer ?? draft?.opinion}
            {draft?.text && (
              <>
                {" "}
                · <bdi>{draft.text}</bdi>
              </>
            )}{" "}
            <button
              type="button"
              className="quiet"
              onClick={() => {
                dropDraft(image);
                setDiscarded((count) => count + 1);
              }}
            >
              Discard
            </button>
          </p>
        );
      })}
    </div>
  );
}

function requestVersion(id: string): Promise<StudyVersion> {
  return unwrap(api.GET("/v1/studies/{study_id}/version", { params: { path: { study_id: id } } }));
}

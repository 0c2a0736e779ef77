// What follows a saved judgement: the next image of the study that waits for one, or the next study.

import { useState } from "react";
import { api, unwrap } from "../api/client.ts";
import { ROUTES, studyPath } from "../routes.ts";
import { navigate } from "../shell/router.tsx";
import { neighbourOf } from "../worklist/navigation.ts";

/** Where this browser keeps whether a user wants the next study. */
const keyOf = (user: string) => `next study after saving: ${user}`;

function wantsNext(user: string): boolean {
  return localStorage.getItem(keyOf(user)) !== "no";
}

/**
 * Open what waits for a judgement after that of an image.
 *
 * If its reading is shown only now, that is the image itself, which stays. The next study opens once
 * this one is reviewed, unless the user does not want it; after the last one, the worklist.
 */
export async function openNext(
  studyId: string,
  imageId: string,
  showImage: (index: number) => void,
  user: string,
): Promise<void> {
  const address = location.pathname;
  const params = { path: { study_id: studyId } };
  const study = await unwrap(api.GET("/v1/studies/{study_id}", { params }));
  if (location.pathname !== address || !wantsNext(user)) {
    return;
  }
  if (!study.images.find(({ id }) => id === imageId)?.judged) {
    return;
  }
  const waiting = study.images.findIndex(({ judged, state }) => !judged && state === "done");
  if (waiting >= 0) {
    showImage(waiting);
  } else if (study.status === "reviewed") {
    const next = neighbourOf(studyId, 1);
    navigate(next === undefined ? ROUTES.worklist : studyPath(next));
  }
}

export function NextStudyChoice({ user }: { user: string }) {
  const [on, setOn] = useState(() => wantsNext(user));
  function turn(to: boolean) {
    localStorage.setItem(keyOf(user), to ? "yes" : "no");
    setOn(to);
  }
  return (
    <label className="switch small">
      <input type="checkbox" checked={on} onChange={(event) => turn(event.target.checked)} />
      <span>Open the next study after saving</span>
    </label>
  );
}

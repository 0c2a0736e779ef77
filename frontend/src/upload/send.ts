// Sends one part of a batch, with progress, and again if the way there fails or the server asks for
// a pause.

import { headers, problemOf } from "../api/http.ts";
import type { Accepted, Refused } from "../api/types.ts";

const TRIES = 3;
const PAUSE = 1_000;

export interface Described {
  patient_id?: string;
  patient_name?: string;
  birth_date?: string;
  sex?: string;
  accession?: string;
}

type Answer = Pick<Accepted, "images" | "refused"> & { job: string | null };

/**
 * Hand in some files.
 *
 * @param key Makes a repeat harmless: the server reads nothing twice for it.
 * @param progress Is told the share that was sent, 0 to 1.
 */
export async function send(
  files: File[],
  described: Described,
  site: string,
  key: string,
  progress: (share: number) => void,
): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    const { status, text, after } = await post(files, described, site, key, progress);
    if (status === 202) {
      return JSON.parse(text) as Accepted;
    }
    if (status === 429 && after > 0) {
      await new Promise((resolve) => setTimeout(resolve, after * 1_000));
      tries -= 1; // it was no fault
      continue;
    }
    if ((status === 0 || status >= 502) && tries < TRIES) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE * tries));
      continue;
    }
    const problem = problemOf(status, text || '{"detail": "the server cannot be reached"}');
    if (Array.isArray(problem.body.refused)) {
      return { job: null, images: [], refused: problem.body.refused as Refused[] };
    }
    throw problem;
  }
}

// fetch does not say how much of a body was sent.
function post(
  files: File[],
  described: Described,
  site: string,
  key: string,
  progress: (share: number) => void,
): Promise<{ status: number; text: string; after: number }> {
  const form = new FormData();
  for (const file of files) {
    form.append("files", file, file.name);
  }
  form.append("about", JSON.stringify(described));
  form.append("site", site);
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/readings");
    for (const [name, value] of Object.entries({ ...headers(), "Idempotency-Key": key })) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onloadend = () =>
      resolve({
        status: request.status,
        text: request.responseText,
        after: Number(request.getResponseHeader("Retry-After")),
      });
    request.send(form);
  });
}

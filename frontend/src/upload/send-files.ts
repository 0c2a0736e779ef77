// Sending the files of one request, with progress and with repeats after failures and pauses.

import { csrfHeaders, errorOf, UNREACHABLE } from "../api/client.ts";
import type { paths, RefusedFile, RequestMetadata, Submission } from "../api/schema.d.ts";

const READINGS: keyof paths = "/v1/readings";
const MAX_ATTEMPTS = 3;
const PAUSE_MS = 1_000; // after the first failure

type Answer = Omit<Submission, "job"> & { job: string | null };

interface Upload {
  files: File[];
  /** The patient of files that do not name one themselves. */
  metadata: RequestMetadata;
  site: string;
  /** With the same key a repeated request is harmless: the server reads nothing twice. */
  idempotencyKey: string;
  /** Called with the sent share of the request, 0 to 1. */
  onProgress: (share: number) => void;
}

/** Send files and return which were accepted; throw an `ApiError` if the request failed for good. */
export async function sendFiles(upload: Upload): Promise<Answer> {
  let failures = 0;
  for (;;) {
    const { status, body, retryAfter } = await post(upload);
    if (status === 202) {
      return JSON.parse(body) as Submission;
    }
    if (status === 429 && retryAfter > 0) {
      await pause(retryAfter * 1_000);
      continue;
    }
    failures += 1;
    if ((status === 0 || status >= 502) && failures < MAX_ATTEMPTS) {
      await pause(PAUSE_MS * failures);
      continue;
    }
    const error = errorOf(status, body || JSON.stringify({ detail: UNREACHABLE }));
    if (Array.isArray(error.problem.refused)) {
      const refused = error.problem.refused as RefusedFile[];
      return { job: null, images: [], refused, already_here: [] };
    }
    throw error;
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Send one request by XMLHttpRequest, since fetch does not report the progress of a body. */
function post({
  files,
  metadata,
  site,
  idempotencyKey,
  onProgress,
}: Upload): Promise<{ status: number; body: string; retryAfter: number }> {
  const form = new FormData();
  for (const file of files) {
    form.append("files", file, file.name);
  }
  form.append("about", JSON.stringify(metadata));
  form.append("site", site);
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", READINGS);
    const headers = { ...csrfHeaders(), "Idempotency-Key": idempotencyKey };
    for (const [name, value] of Object.entries(headers)) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onloadend = () =>
      resolve({
        status: request.status,
        body: request.responseText,
        retryAfter: Number(request.getResponseHeader("Retry-After")),
      });
    request.send(form);
  });
}

// Calls to the server, typed by its OpenAPI description (schema.d.ts, made by `make api-types`).

import createClient from "openapi-fetch";
import type { paths } from "./schema.d.ts";

/** A request that failed, with the server's explanation (RFC 9457, problem details). */
export class ApiError extends Error {
  /** HTTP status; 0 if the server could not be reached. */
  readonly status: number;
  readonly problem: Record<string, unknown>;

  constructor(status: number, problem: Record<string, unknown>) {
    super(
      typeof problem.detail === "string"
        ? problem.detail
        : `the server failed (${status}); try again, and if it fails again, tell its administrator`,
    );
    this.status = status;
    this.problem = problem;
  }
}

let csrfToken: string | null = null;
let signedOut = () => {};

/** Set the token that proves that a request comes from this page; it is kept in memory only. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** Call `action` whenever the server answers that nobody is signed in. */
export function onSignedOut(action: () => void): void {
  signedOut = action;
}

/** Return the headers that each request of a signed-in page carries. */
export function csrfHeaders(): Record<string, string> {
  return csrfToken === null ? {} : { "X-CSRF-Token": csrfToken };
}

/** Return the error for a failed response, whose body is a problem (JSON) if the server made it. */
export function errorOf(status: number, body: string): ApiError {
  if (status === 401) {
    signedOut();
  }
  try {
    return new ApiError(status, JSON.parse(body));
  } catch {
    return new ApiError(status, {});
  }
}

export const UNREACHABLE = "the server cannot be reached; check the connection and try again";

const pending = new Set<Promise<Response>>();

/** Wait until every request has been answered. */
export async function allAnswered(): Promise<void> {
  await Promise.allSettled(pending);
}

function fetchPending(request: Request): Promise<Response> {
  const response = fetch(request).finally(() => pending.delete(response));
  pending.add(response);
  return response;
}

/** The server's routes: `unwrap(api.GET("/v1/sites"))`. Patients are named in bodies, never in addresses. */
export const api = createClient<paths>({ fetch: fetchPending });

api.use({
  onRequest({ request }) {
    for (const [name, value] of Object.entries(csrfHeaders())) {
      request.headers.set(name, value);
    }
  },
  async onResponse({ response }) {
    if (!response.ok) {
      throw errorOf(response.status, await response.text());
    }
  },
  onError() {
    return new ApiError(0, { detail: UNREACHABLE });
  },
});

/** Return the body of the answer to a call; a call that fails throws an `ApiError`. */
export async function unwrap<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}

// One way to the server: JSON in, JSON out, and problems (RFC 9457) as errors with their own words.

export class Problem extends Error {
  readonly status: number;
  readonly body: Record<string, unknown>;

  constructor(status: number, body: Record<string, unknown>) {
    super(String(body.detail ?? unexplained(status)));
    this.status = status;
    this.body = body;
  }
}

function unexplained(status: number): string {
  return `the server failed (${status}); try again, and if it fails once more, tell whoever keeps it`;
}

let csrf: string | null = null;
let signedOut = () => {};

/** Keep what proves that a request comes from this page; in memory alone. */
export function keepCsrf(token: string | null): void {
  csrf = token;
}

/** Say what is to happen when the server says that nobody is signed in any more. */
export function whenSignedOut(action: () => void): void {
  signedOut = action;
}

export function headers(): Record<string, string> {
  return csrf === null ? {} : { "X-CSRF-Token": csrf };
}

export function problemOf(status: number, text: string): Problem {
  if (status === 401) {
    signedOut();
  }
  try {
    return new Problem(status, JSON.parse(text));
  } catch {
    return new Problem(status, {});
  }
}

const unanswered = new Set<Promise<Response>>();

/** Wait until nothing that was asked before is under way any more. */
export async function allAnswered(): Promise<void> {
  await Promise.allSettled(unanswered);
}

export function request(method: string, path: string, body?: unknown): Promise<Response> {
  const answer = ask(method, path, body).finally(() => unanswered.delete(answer));
  unanswered.add(answer);
  return answer;
}

async function ask(method: string, path: string, body?: unknown): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers:
        body === undefined ? headers() : { ...headers(), "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, { detail: "the server cannot be reached; check the connection" });
  }
  if (!response.ok) {
    throw problemOf(response.status, await response.text());
  }
  return response;
}

export async function json<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await request(method, path, body)).json() as Promise<T>;
}

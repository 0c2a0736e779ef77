import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { sendFiles } from "./send-files.ts";

interface FakeResponse {
  status: number;
  body?: unknown;
  retryAfter?: number;
}

/** Send a file with a fake XMLHttpRequest that receives these responses, one after the other. */
function begin(t: TestContext, ...responses: FakeResponse[]) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const keys: (string | undefined)[] = [];
  class FakeRequest {
    upload = {};
    status = 0;
    responseText = "";
    onloadend = () => {};
    private retryAfter = "";
    private headers: Record<string, string> = {};

    open() {}

    setRequestHeader(name: string, value: string) {
      this.headers[name] = value;
    }

    getResponseHeader(name: string) {
      return name === "Retry-After" ? this.retryAfter : null;
    }

    send(form: FormData) {
      assert.equal(form.getAll("files").length, 1);
      keys.push(this.headers["Idempotency-Key"]);
      const { status, body, retryAfter } = responses.shift() as FakeResponse;
      this.status = status;
      this.responseText = body === undefined ? "" : JSON.stringify(body);
      this.retryAfter = retryAfter === undefined ? "" : `${retryAfter}`;
      this.onloadend();
    }
  }
  Object.assign(globalThis, { XMLHttpRequest: FakeRequest });
  const answer = sendFiles({
    files: [new File(["1"], "a.png")],
    metadata: {},
    site: "North",
    idempotencyKey: "one key",
    onProgress: () => {},
  });
  answer.catch(() => {}); // tests that expect a failure await it later
  return {
    keys,
    answer,
    /** Let time pass, and everything that waits for it happen. */
    async wait(seconds: number) {
      for (let n = 0; n < 9; n += 1) {
        await Promise.resolve();
      }
      t.mock.timers.tick(seconds * 1_000);
      for (let n = 0; n < 9; n += 1) {
        await Promise.resolve();
      }
    },
  };
}

const ACCEPTED = { status: 202, body: { job: "1", images: [], refused: [], already_here: [] } };

test("the pauses that the server asks for are made, however many, with the same key", async (t) => {
  const pauses = Array.from({ length: 5 }, () => ({ status: 429, retryAfter: 60 }));
  const { keys, answer, wait } = begin(t, ...pauses, ACCEPTED);
  for (let n = 1; n <= pauses.length; n += 1) {
    await wait(59);
    assert.equal(keys.length, n);
    await wait(1);
    assert.equal(keys.length, n + 1);
  }
  assert.deepEqual(await answer, ACCEPTED.body);
  assert.deepEqual(new Set(keys), new Set(["one key"]));
});

test("when the server cannot be reached, the request is sent three times", async (t) => {
  const { keys, answer, wait } = begin(t, { status: 0 }, { status: 503 }, { status: 0 });
  await wait(1);
  await wait(2);
  await assert.rejects(answer, /cannot be reached/);
  assert.deepEqual(keys, ["one key", "one key", "one key"]);
});

test("a request that the server refuses is not sent again", async (t) => {
  for (const response of [{ status: 422 }, { status: 429 }, { status: 500 }]) {
    const { keys, answer } = begin(t, { ...response, body: { detail: "no such site" } });
    await assert.rejects(answer, /no such site/);
    assert.equal(keys.length, 1);
    t.mock.timers.reset();
  }
});

test("refused files are named one by one if none was accepted", async (t) => {
  const refused = [{ name: "a.png", place: 0, reason: "a PDF" }];
  const { answer } = begin(t, { status: 415, body: { detail: "none", refused } });
  assert.deepEqual(await answer, { job: null, images: [], refused, already_here: [] });
});

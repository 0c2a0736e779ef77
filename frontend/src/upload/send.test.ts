import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { send } from "./send.ts";

interface Said {
  status: number;
  body?: unknown;
  after?: number;
}

/** What a browser has, as far as it is used here; the test says what the server answers. */
function begin(t: TestContext, ...answers: Said[]) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const keys: (string | undefined)[] = [];
  class Request {
    upload = {};
    status = 0;
    responseText = "";
    onloadend = () => {};
    private after = "";
    private sent: Record<string, string> = {};

    open() {}

    setRequestHeader(name: string, value: string) {
      this.sent[name] = value;
    }

    getResponseHeader(name: string) {
      return name === "Retry-After" ? this.after : null;
    }

    send(body: FormData) {
      assert.equal(body.getAll("files").length, 1);
      keys.push(this.sent["Idempotency-Key"]);
      const { status, body: text, after } = answers.shift() as Said;
      this.status = status;
      this.responseText = text === undefined ? "" : JSON.stringify(text);
      this.after = after === undefined ? "" : `${after}`;
      this.onloadend();
    }
  }
  Object.assign(globalThis, { XMLHttpRequest: Request });
  const handedIn = send([new File(["1"], "a.png")], {}, "ward", "one key", () => {});
  handedIn.catch(() => {}); // who awaits it later is told
  return {
    keys,
    handedIn,
    /** Let so many seconds go by, and whatever waits for them. */
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

const ACCEPTED = { status: 202, body: { job: "1", images: [], refused: [] } };

test("a server that asks for a pause is given it, however often, and nothing is sent anew", async (t) => {
  const pauses = Array.from({ length: 5 }, () => ({ status: 429, after: 60 }));
  const { keys, handedIn, wait } = begin(t, ...pauses, ACCEPTED);
  for (let n = 1; n <= pauses.length; n += 1) {
    await wait(59);
    assert.equal(keys.length, n);
    await wait(1);
    assert.equal(keys.length, n + 1);
  }
  assert.deepEqual(await handedIn, ACCEPTED.body);
  assert.deepEqual(new Set(keys), new Set(["one key"]));
});

test("where the way to the server fails, it is tried three times in all", async (t) => {
  const { keys, handedIn, wait } = begin(t, { status: 0 }, { status: 503 }, { status: 0 });
  await wait(1);
  await wait(2);
  await assert.rejects(handedIn, /cannot be reached/);
  assert.deepEqual(keys, ["one key", "one key", "one key"]);
});

test("what the server refuses for good is not sent again", async (t) => {
  for (const answer of [{ status: 422 }, { status: 429 }, { status: 500 }]) {
    const { keys, handedIn } = begin(t, { ...answer, body: { detail: "no such site" } });
    await assert.rejects(handedIn, /no such site/);
    assert.equal(keys.length, 1);
    t.mock.timers.reset();
  }
});

test("files of which none is a radiograph are told one by one", async (t) => {
  const refused = [{ name: "a.png", place: 0, reason: "a PDF" }];
  const { handedIn } = begin(t, { status: 415, body: { detail: "none", refused } });
  assert.deepEqual(await handedIn, { job: null, images: [], refused });
});

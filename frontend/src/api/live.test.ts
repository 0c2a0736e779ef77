import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { isLive, listen, watchWorklist } from "./live.ts";

/** What a browser has, as far as it is used here; the test says what the server does. */
class Stream extends EventTarget {
  static readonly opened: Stream[] = [];
  readonly CLOSED = 2;
  readyState = 0;
  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
    Stream.opened.push(this);
  }

  sends(type: string, readyState = 1): void {
    this.readyState = readyState;
    this.dispatchEvent(new Event(type));
  }

  close(): void {
    this.readyState = this.CLOSED;
  }
}

function begin(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  Object.assign(globalThis, { EventSource: Stream, document: page });
  Stream.opened.length = 0;
  const told = { changes: 0, refusals: 0 };
  const forget = watchWorklist(() => {
    told.changes += 1;
  });
  const stop = listen(() => {
    told.refusals += 1;
  });
  t.after(stop);
  t.after(forget);
  const stream = () => Stream.opened.at(-1) as Stream;
  return { told, page, stream, stop, wait: (ms: number) => t.mock.timers.tick(ms) };
}

test("nothing is told unless something changed", (t) => {
  const { told, stream, wait } = begin(t);
  assert.equal(stream().url, "/v1/events");
  stream().sends("open");
  wait(3_600_000);
  assert.equal(told.changes, 0);
  stream().sends("worklist");
  assert.equal(told.changes, 1);
});

test("of changes in a row the first is told at once, the others together", (t) => {
  const { told, stream, wait } = begin(t);
  for (let n = 0; n < 9; n += 1) {
    stream().sends("worklist");
  }
  assert.equal(told.changes, 1);
  wait(60_000);
  assert.equal(told.changes, 2);
});

test("what changes while nobody can see the page is told when somebody can", (t) => {
  const { told, page, stream, wait } = begin(t);
  page.visibilityState = "hidden";
  stream().sends("worklist");
  wait(60_000);
  assert.equal(told.changes, 0);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(told.changes, 1);
  page.dispatchEvent(new Event("visibilitychange"));
  wait(60_000);
  assert.equal(told.changes, 1);
});

test("an interruption is left to the browser, and shows", (t) => {
  const { told, stream, wait } = begin(t);
  stream().sends("open");
  stream().sends("error", 0);
  assert.equal(isLive(), false);
  wait(60_000);
  assert.equal(Stream.opened.length, 1);
  stream().sends("open");
  assert.equal(isLive(), true);
  assert.equal(told.refusals, 0);
});

test("a stream that is refused is asked for again and again, and no more after the end", (t) => {
  const { told, stream, stop, wait } = begin(t);
  for (let n = 1; n < 4; n += 1) {
    stream().sends("error", 2);
    assert.equal(told.refusals, n);
    assert.equal(isLive(), false);
    assert.equal(Stream.opened.length, n);
    wait(10_000);
    assert.equal(Stream.opened.length, n + 1);
  }
  stream().sends("error", 2);
  stop();
  wait(60_000);
  assert.equal(Stream.opened.length, 4);
});

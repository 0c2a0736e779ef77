import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { isLive, receiveEvents, watchWorklist } from "./live-updates.ts";

/** A browser's EventSource as far as it is used here; the test sends the server's events. */
class FakeEventSource extends EventTarget {
  static readonly opened: FakeEventSource[] = [];
  readonly CLOSED = 2;
  readyState = 0;
  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
    FakeEventSource.opened.push(this);
  }

  receives(type: string, readyState = 1): void {
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
  Object.assign(globalThis, { EventSource: FakeEventSource, document: page });
  FakeEventSource.opened.length = 0;
  const count = { changes: 0, refusals: 0 };
  const unwatch = watchWorklist(() => {
    count.changes += 1;
  });
  const stop = receiveEvents(() => {
    count.refusals += 1;
  });
  t.after(stop);
  t.after(unwatch);
  const source = () => FakeEventSource.opened.at(-1) as FakeEventSource;
  return { count, page, source, stop, wait: (ms: number) => t.mock.timers.tick(ms) };
}

test("watchers are notified only of changes", (t) => {
  const { count, source, wait } = begin(t);
  assert.equal(source().url, "/v1/events");
  source().receives("open");
  wait(3_600_000);
  assert.equal(count.changes, 0);
  source().receives("worklist");
  assert.equal(count.changes, 1);
});

test("the first of several changes is notified at once, the rest together", (t) => {
  const { count, source, wait } = begin(t);
  for (let n = 0; n < 9; n += 1) {
    source().receives("worklist");
  }
  assert.equal(count.changes, 1);
  wait(60_000);
  assert.equal(count.changes, 2);
});

test("a change of a hidden page is notified once the page is visible", (t) => {
  const { count, page, source, wait } = begin(t);
  page.visibilityState = "hidden";
  source().receives("worklist");
  wait(60_000);
  assert.equal(count.changes, 0);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(count.changes, 1);
  page.dispatchEvent(new Event("visibilitychange"));
  wait(60_000);
  assert.equal(count.changes, 1);
});

test("after an interruption the browser reconnects by itself", (t) => {
  const { count, source, wait } = begin(t);
  source().receives("open");
  source().receives("error", 0);
  assert.equal(isLive(), false);
  wait(60_000);
  assert.equal(FakeEventSource.opened.length, 1);
  source().receives("open");
  assert.equal(isLive(), true);
  assert.equal(count.refusals, 0);
});

test("after a refusal the page reconnects until it is stopped", (t) => {
  const { count, source, stop, wait } = begin(t);
  for (let n = 1; n < 4; n += 1) {
    source().receives("error", 2);
    assert.equal(count.refusals, n);
    assert.equal(isLive(), false);
    assert.equal(FakeEventSource.opened.length, n);
    wait(10_000);
    assert.equal(FakeEventSource.opened.length, n + 1);
  }
  source().receives("error", 2);
  stop();
  wait(60_000);
  assert.equal(FakeEventSource.opened.length, 4);
});

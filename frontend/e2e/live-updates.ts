// Live updates: new studies and readings appear by themselves, and interruptions are shown.

import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";
import { rowWith, waitForCount } from "./support/studies.ts";

interface LiveUpdates extends Task {
  administrator: Account;
  studies: number;
  /** API token of a program that hands in radiographs. */
  token: string;
  radiograph: string;
}

const IDLE_MS = 5_000;

export default defineSpec<LiveUpdates>(
  async (test) => {
    const { page, task } = test;
    let searches = 0;
    page.on("request", (request) => {
      searches += request.url().endsWith("/v1/studies/search") ? 1 : 0;
    });
    await test.begin(task.administrator);
    await waitForCount(page, task.studies);
    await page.waitForTimeout(2_500); // the first event of a connection counts as a change
    searches = 0;
    await page.waitForTimeout(IDLE_MS);
    assert.equal(searches, 0, "the page searches although nothing has changed");

    await handInStudy("2.25.8", "new-1.png", "new-2.png");
    await waitForCount(page, task.studies + 1);
    await rowWith(page, "new-1.png").getByText("awaiting review", { exact: true }).waitFor();
    assert.ok(searches > 0 && searches < 4, `${searches} searches for two changes`);

    await page.route("**/v1/events", (route) => route.fulfill({ status: 429 }));
    await page.reload();
    const notice = page.getByText("Live updates are interrupted");
    await notice.waitFor();
    await test.inspect("live-updates-interrupted");
    await page.unroute("**/v1/events");
    await notice.waitFor({ state: "detached" });

    async function handInStudy(studyUid: string, ...names: string[]) {
      const body = new FormData();
      for (const name of names) {
        body.append("files", await openAsBlob(task.radiograph), name);
      }
      body.append("about", JSON.stringify({ study_uid: studyUid }));
      const response = await fetch(`${task.address}/v1/readings`, {
        method: "POST",
        headers: { Authorization: `Bearer ${task.token}` },
        body,
      });
      assert.ok(response.ok, await response.text());
    }
  },
  [["/v1/events", 429]],
);

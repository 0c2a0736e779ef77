// How files come onto the page: chosen, or dropped as out of a file manager, folders too.

import type { CDPSession, Page } from "playwright-core";

export interface Batch {
  how: "choose files" | "choose a folder" | "drop";
  paths: string[];
  patient: Record<string, string>;
}

const SLOWLY = 300_000; // bytes a second, so that there is progress to be seen

/** Hand in batches; return what was seen of each file's progress, in the order of the page. */
export async function handIn(page: Page, batches: Batch[]): Promise<Record<string, number>[]> {
  const browser = await page.context().newCDPSession(page);
  const seen: Record<string, number>[] = [];
  for (const { how, paths, patient } of batches) {
    for (const [label, value] of Object.entries(patient)) {
      await page.getByLabel(label).fill(value);
    }
    if (how === "drop") {
      seen.push(...(await inSlowMotion(page, browser, () => drop(page, browser, paths))));
    } else {
      await page.getByLabel(how === "choose files" ? "Files" : "Folder").setInputFiles(paths);
    }
  }
  await browser.detach();
  return seen;
}

/** The events are the browser's own, as are the files and folders that it lets the page see. */
async function drop(page: Page, browser: CDPSession, paths: string[]) {
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  const at = { x: 10, y: 500 }; // beside the place that is drawn for it
  await browser.send("Input.dispatchDragEvent", { type: "dragEnter", ...at, data });
  await browser.send("Input.dispatchDragEvent", { type: "dragOver", ...at, data });
  await page.locator(".drop.over").waitFor();
  await browser.send("Input.dispatchDragEvent", { type: "drop", ...at, data });
  await page.locator(".drop:not(.over)").waitFor();
}

async function inSlowMotion(page: Page, browser: CDPSession, act: () => Promise<void>) {
  const line = { offline: false, latency: 0, downloadThroughput: -1 };
  await browser.send("Network.emulateNetworkConditions", { ...line, uploadThroughput: SLOWLY });
  await page.evaluate(watchProgress);
  await act();
  await page.locator(".outcomes progress").first().waitFor();
  await page.locator(".outcomes progress").first().waitFor({ state: "detached" });
  await browser.send("Network.emulateNetworkConditions", { ...line, uploadThroughput: -1 });
  return page.evaluate(() => (globalThis as unknown as Watching).progress);
}

interface Watching {
  progress: Record<string, number>[];
}

/** Runs in the page: whenever a bar moves, all of them are written down. */
function watchProgress() {
  const seen: Record<string, number>[] = [];
  (globalThis as unknown as Watching).progress = seen;
  new MutationObserver(() => {
    const bars = [...document.querySelectorAll<HTMLProgressElement>(".outcomes progress")];
    seen.push(Object.fromEntries(bars.map((one) => [one.ariaLabel, one.value])));
  }).observe(document.body, { subtree: true, childList: true, attributeFilter: ["value"] });
}

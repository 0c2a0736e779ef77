// Handing files to the page: chosen, or dropped as from a file manager, with folders.

import type { CDPSession, Page } from "playwright-core";

export interface Batch {
  how: "choose files" | "choose a folder" | "drop";
  paths: string[];
  /** Values of the patient's fields, by label. */
  patient: Record<string, string>;
}

/** The sent share of each file, by the label of its progress bar. */
type Progress = Record<string, number>;

const SLOW_BYTES_PER_SECOND = 300_000; // so that there is progress to be observed

/** Hand in batches; return the progress bars after each change, in the order of the page. */
export async function handIn(page: Page, batches: Batch[]): Promise<Progress[]> {
  const debuggerSession = await page.context().newCDPSession(page);
  const observed: Progress[] = [];
  for (const { how, paths, patient } of batches) {
    for (const [label, value] of Object.entries(patient)) {
      await page.getByLabel(label).fill(value);
    }
    if (how === "drop") {
      const drop = async () => {
        await dropFiles(page, debuggerSession, paths);
        await confirmPatient(page);
      };
      observed.push(...(await observeProgress(page, debuggerSession, drop)));
    } else {
      await page.getByLabel(how === "choose files" ? "Files" : "Folder").setInputFiles(paths);
      await confirmPatient(page);
    }
  }
  await debuggerSession.detach();
  return observed;
}

/** Send the files, after a look at whose they are. */
async function confirmPatient(page: Page) {
  await page.getByRole("button", { name: "Yes, send" }).click();
}

/** Drop files with the browser's own events, so that the page sees its own files and folders. */
async function dropFiles(page: Page, debuggerSession: CDPSession, paths: string[]) {
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  const dispatch = (type: "dragEnter" | "dragOver" | "drop") =>
    // At the edge of the page, outside the area that is drawn for it.
    debuggerSession.send("Input.dispatchDragEvent", { type, x: 10, y: 500, data });
  await dispatch("dragEnter");
  await dispatch("dragOver");
  await page.locator(".drop.dragged-over").waitFor();
  await dispatch("drop");
  await page.locator(".drop:not(.dragged-over)").waitFor({ state: "attached" });
}

/** Do something on a slow line; return the progress bars after each change. */
async function observeProgress(
  page: Page,
  debuggerSession: CDPSession,
  act: () => Promise<void>,
): Promise<Progress[]> {
  const limitUpload = (uploadThroughput: number) =>
    debuggerSession.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput,
    });
  await limitUpload(SLOW_BYTES_PER_SECOND);
  await page.evaluate(recordProgress);
  await act();
  const bars = page.locator(".outcomes progress");
  await bars.first().waitFor();
  await bars.first().waitFor({ state: "detached" });
  await limitUpload(-1);
  return page.evaluate(() => (globalThis as unknown as Recording).progress);
}

interface Recording {
  progress: Progress[];
}

/** Record all progress bars whenever one changes; runs in the page. */
function recordProgress() {
  const progress: Progress[] = [];
  (globalThis as unknown as Recording).progress = progress;
  new MutationObserver(() => {
    const bars = [...document.querySelectorAll<HTMLProgressElement>(".outcomes progress")];
    progress.push(Object.fromEntries(bars.map((bar) => [bar.ariaLabel, bar.value])));
  }).observe(document.body, { subtree: true, childList: true, attributeFilter: ["value"] });
}

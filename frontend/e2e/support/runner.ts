// Runs specs one after the other in one browser, each in a context of its own.
//
// Reads a task a line from the standard input, as JSON, and writes a report a line to the standard
// output. Started by tests/clinic/e2e/conftest.py, with the path of the browser as its argument.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { BrowserTest, DESKTOP, type Report, type Spec, type Task } from "./browser-test.ts";

interface RunnerTask extends Task {
  /** Name of the spec's file, without its suffix. */
  spec: string;
  /** File for a screenshot of the page if the spec fails. */
  failureScreenshot: string;
}

const browser = await chromium.launch({
  executablePath: process.argv[2] ?? "",
  args: [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",
  ],
});
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
await browser.close();

async function run(task: RunnerTask): Promise<Report & { failure?: string }> {
  const { default: spec } = (await import(`../${task.spec}.ts`)) as { default: Spec<Task> };
  const context = await browser.newContext({ viewport: DESKTOP, colorScheme: "dark" });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const test = new BrowserTest(page, task, spec.expectedErrors);
  try {
    await spec.run(test);
    return test.report;
  } catch (error) {
    await page.screenshot({ path: task.failureScreenshot });
    return { ...test.report, failure: (error as Error).stack ?? String(error) };
  } finally {
    await context.close();
  }
}

// The viewer: window, zoom, pan, inversion, heat map and priors, with the mouse and the keyboard.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { type Account, defineSpec, type Task } from "./support/browser-test.ts";
import { measureHeatMap } from "./support/heat-map.ts";
import { checkKeyboardHelp, STUDY_KEYS } from "./support/keyboard-help.ts";
import { openStudy } from "./support/studies.ts";

interface ViewerTask extends Task {
  administrator: Account;
  /** A patient with a prior. */
  patient: string;
  /** Files for screenshots of the viewer, which the test compares with the radiograph. */
  images: { plain: string; inverted: string };
}

interface View {
  width: number;
  level: number;
  zoom: number;
}

export default defineSpec<ViewerTask>(async (test) => {
  const { page, task, results } = test;
  await test.begin(task.administrator);
  await openStudy(page, task.patient);
  const viewer = page.locator("figure.viewer").first();
  const viewText = async () => (await viewer.locator("output").textContent()) ?? "";
  await takeScreenshots();
  await dragTools();
  await checkKeyboardHelp(page, STUDY_KEYS);
  await adjustView();
  await showHeatMap();
  await test.inspect("study");
  await comparePriors();
  await page.keyboard.press("h");
  await page.waitForTimeout(200);
  assert.equal((await measureHeatMap(page)).coloured, 0);

  async function takeScreenshots() {
    results.caption = await viewer.locator("figcaption span").textContent();
    const setCaption = (visibility: string) =>
      viewer.locator("figcaption").evaluate((caption, visibility) => {
        caption.style.visibility = visibility;
      }, visibility);
    await setCaption("hidden");
    await viewer.screenshot({ path: task.images.plain });
    await page.keyboard.press("i");
    await page.waitForTimeout(500);
    await viewer.screenshot({ path: task.images.inverted });
    await page.keyboard.press("i");
    await setCaption("");
  }

  async function dragTools() {
    const initial = await viewText();
    await drag(120, 60);
    await page.waitForFunction(
      (initial) => document.querySelector("output")?.textContent !== initial,
      initial,
    );
    await page.keyboard.press("z");
    await drag(0, 80);
    assert.ok(!(await viewText()).endsWith(" 1.0×"), "dragging the zoom tool does not zoom");
    await page.keyboard.press("r");
    await page.waitForFunction(
      (initial) => document.querySelector("output")?.textContent === initial,
      initial,
    );
  }

  async function drag(right: number, down: number) {
    const box = await viewer.boundingBox();
    assert.ok(box);
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await page.mouse.move(x, y);
    await page.mouse.down();
    for (let step = 1; step <= 4; step += 1) {
      await page.mouse.move(x + (right * step) / 4, y + (down * step) / 4);
    }
    await page.mouse.up();
  }

  async function adjustView() {
    const initial = await readView(page);
    const steps: [string, (view: View) => boolean][] = [
      ["w ArrowRight ArrowRight", ({ width }) => width > 1.15 * initial.width],
      [
        "ArrowLeft ArrowLeft",
        ({ width, level }) => isClose(width, initial.width) && isClose(level, initial.level),
      ],
      ["ArrowUp", ({ level }) => level < initial.level - 5],
      ["ArrowDown ArrowDown", ({ level }) => level > initial.level + 5],
      ["+ +", ({ zoom }) => zoom > 1.15],
      ["z ArrowDown - - -", ({ zoom }) => zoom < 0.85],
      ["r", (view) => JSON.stringify(view) === JSON.stringify(initial)],
    ];
    for (const [keys, expected] of steps) {
      await pressUntil(page, keys, readView, expected);
    }
  }

  /** The heat map appears, moves with its radiograph, and becomes fainter and stronger. */
  async function showHeatMap() {
    assert.equal((await measureHeatMap(page)).coloured, 0);
    await page.keyboard.press("h");
    await page.locator(".legend").waitFor();
    await page.waitForTimeout(500);
    results.legend = await page.locator(".legend").textContent();
    const initial = await measureHeatMap(page);
    results.coloured = initial.coloured;
    await pressUntil(
      page,
      "p ArrowRight ArrowUp ,",
      measureHeatMap,
      ({ x, y, alpha }) => x > initial.x + 5 && y < initial.y - 5 && alpha < initial.alpha - 10,
    );
    await pressUntil(
      page,
      ". r",
      measureHeatMap,
      ({ x, y, alpha }) =>
        isClose(x, initial.x) && isClose(y, initial.y) && isClose(alpha, initial.alpha),
    );
  }

  async function comparePriors() {
    const second = page.locator("figure[data-state=shown]").nth(1);
    await page.keyboard.press("c");
    await second.waitFor();
    await test.inspect("compared");
    await page.keyboard.press("c");
    await second.waitFor({ state: "detached" });
    await page.keyboard.press("b");
    await second.waitFor();
    await page.keyboard.press("c");
    await second.waitFor({ state: "detached" });
  }
});

/** Compare numbers that are rounded, and positions of soft edges. */
function isClose(first: number, second: number): boolean {
  return Math.abs(first - second) <= 1;
}

/** Read the window and the zoom from the caption of the radiograph. */
async function readView(page: Page): Promise<View> {
  const text = await page.locator("figure.viewer output").first().textContent();
  const [width, level, zoom] = text?.match(/-?[\d.]+/g)?.map(Number) ?? [];
  assert.ok(width !== undefined && level !== undefined && zoom !== undefined, `${text}`);
  return { width, level, zoom };
}

/** Press keys, then measure until the result is as expected: drawing takes time. */
async function pressUntil<T>(
  page: Page,
  keys: string,
  measure: (page: Page) => Promise<T>,
  isExpected: (result: T) => boolean,
) {
  for (const key of keys.split(" ")) {
    await page.keyboard.press(key);
  }
  const deadline = Date.now() + 10_000;
  for (let result = await measure(page); !isExpected(result); result = await measure(page)) {
    assert.ok(Date.now() < deadline, `${keys}: ${JSON.stringify(result)}`);
    await page.waitForTimeout(50);
  }
}

// The viewer: window, zoom, pan, inversion, heat map and priors, with the mouse and the keyboard.

import assert from "node:assert/strict";
import { type Account, DESKTOP, defineSpec, type Task } from "./support/browser-test.ts";
import { measureHeatMap } from "./support/heat-map.ts";
import { checkKeyboardHelp, STUDY_KEYS } from "./support/keyboard-help.ts";
import { checkPrint } from "./support/print.ts";
import { openStudy } from "./support/studies.ts";
import { isClose, pressUntil, readView, type View } from "./support/views.ts";

interface ViewerTask extends Task {
  administrator: Account;
  /** A patient with a prior. */
  patient: string;
  /** Files for screenshots of the viewer, which the test compares with the radiograph. */
  images: { plain: string; inverted: string; flipped: string };
}

export default defineSpec<ViewerTask>(
  async (test) => {
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
    await turnHeatMap();
    await test.inspect("study");
    await comparePriors();
    await page.keyboard.press("h");
    await page.waitForTimeout(200);
    assert.equal((await measureHeatMap(page)).coloured, 0);
    await failToLoad();

    async function takeScreenshots() {
      results.caption = await viewer.locator("figcaption span").textContent();
      const stage = viewer.locator(".stage"); // with its edges, where no caption may lie
      await stage.screenshot({ path: task.images.plain });
      await page.keyboard.press("i");
      await page.waitForTimeout(500);
      await hideNotices(true);
      await stage.screenshot({ path: task.images.inverted });
      await hideNotices(false);
      await page.getByText("Inverted: black and white").waitFor();
      await page.keyboard.press("i");
      await page.keyboard.press("x");
      await page.getByText("Flipped: left and right").waitFor();
      await hideNotices(true);
      await stage.screenshot({ path: task.images.flipped });
      await hideNotices(false);
      await page.keyboard.press("x");
    }

    /** Notices are no part of the radiograph. */
    async function hideNotices(hidden: boolean) {
      await page.locator(".notices").evaluateAll((all, hidden) => {
        for (const notices of all as HTMLElement[]) {
          notices.style.visibility = hidden ? "hidden" : "";
        }
      }, hidden);
    }

    async function dragTools() {
      const initial = await viewText();
      const { zoom } = await readView(page);
      await drag(120, 60);
      await page.waitForFunction(
        (initial) => document.querySelector("output")?.textContent !== initial,
        initial,
      );
      await page.keyboard.press("z");
      await drag(0, 80);
      assert.notEqual((await readView(page)).zoom, zoom, "dragging the zoom tool does not zoom");
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
        ["+ +", ({ zoom }) => zoom > 1.15 * initial.zoom],
        ["z ArrowDown - - -", ({ zoom }) => zoom < 0.85 * initial.zoom],
        ["0", ({ zoom }) => zoom === 100],
        ["f", ({ zoom }) => zoom === initial.zoom],
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

    /** The heat map stays on its place when the radiograph is flipped and turned. */
    async function turnHeatMap() {
      const { width, height } = await page
        .locator("canvas.heat-map")
        .first()
        .evaluate(({ width, height }: HTMLCanvasElement) => ({ width, height }));
      const before = await measureHeatMap(page);
      await pressUntil(
        page,
        "x",
        measureHeatMap,
        ({ x, y }) => isClose(x, width - before.x) && isClose(y, before.y),
      );
      await pressUntil(page, "x", measureHeatMap, ({ x }) => isClose(x, before.x));
      const from = [before.x - width / 2, before.y - height / 2] as const;
      await pressUntil(page, ">", measureHeatMap, ({ x, y }) => {
        const to = [x - width / 2, y - height / 2] as const;
        const scale = Math.hypot(...to) / Math.hypot(...from);
        // Turned to the right, what is above goes to the right; the image is fitted again.
        return isClose(to[0], -from[1] * scale, 3) && isClose(to[1], from[0] * scale, 3);
      });
      await page.getByText("Turned by 90° to the right").waitFor();
      await test.inspect("turned");
      await pressUntil(
        page,
        "<",
        measureHeatMap,
        ({ x, y }) => isClose(x, before.x) && isClose(y, before.y),
      );
      await page.getByText("Turned by 90°").waitFor({ state: "detached" });
    }

    /** A radiograph that cannot be loaded leaves nothing on the screen that could be judged. */
    async function failToLoad() {
      await page.route("**/pixels", (route) => route.fulfill({ status: 503, body: "" }));
      await page.keyboard.press("j");
      await viewer.getByText("The radiograph cannot be shown").waitFor();
      assert.equal(await viewer.locator(".pixels").isVisible(), false);
      await page.getByText("You can judge the radiograph once it is shown").waitFor();
      assert.equal(await page.getByRole("radio").count(), 0);
    }

    async function comparePriors() {
      const second = page.locator("figure[data-state=shown]").nth(1);
      await page.keyboard.press("c");
      await second.waitFor();
      await test.inspect("compared");
      await page.setViewportSize({ width: 390, height: 844 });
      await page.waitForTimeout(150);
      await checkPrint(page); // one below the other, as in a narrow window
      await page.setViewportSize(DESKTOP);
      await page.keyboard.press("c");
      await second.waitFor({ state: "detached" });
      await page.keyboard.press("b");
      await second.waitFor();
      await page.keyboard.press("c");
      await second.waitFor({ state: "detached" });
    }
  },
  [["/pixels", 503]],
);

// The viewer's tools on a DICOM file of known size: true proportions, windows, measurements, touch,
// magnifier, full screen, print, header, and a prior beside it.

import assert from "node:assert/strict";
import { type Account, DESKTOP, defineSpec, type Task } from "./support/browser-test.ts";
import { checkPrint } from "./support/print.ts";
import { openOnlyStudy } from "./support/studies.ts";
import { pressUntil, readView, waitUntil } from "./support/views.ts";

type Millimetres = [right: number, down: number];
type Line = [Millimetres, Millimetres];

interface Measuring extends Task {
  administrator: Account;
  accession: string;
  /** Size of the radiograph in millimetres. */
  width: number;
  height: number;
  /** Lines to be drawn, in millimetres from the upper left corner. */
  line: Line;
  heart: Line;
  thorax: Line;
  /** Whose second leg is at a right angle. */
  corner: [Millimetres, Millimetres, Millimetres];
  /** File for a screenshot of the radiograph, whose proportions the test checks. */
  image: string;
}

export default defineSpec<Measuring>(async (test) => {
  const { page, task, results } = test;
  const viewer = page.locator("figure.viewer").first();
  const viewText = async () => (await viewer.locator("output").textContent()) ?? "";
  await test.begin(task.administrator);
  await openOnlyStudy(page, task.accession);
  await checkProportions();
  await chooseWindows();
  await measure();
  await zoomByWheelAndFingers();
  await magnify();
  await readHeader();
  await fillScreen();
  await printStudy();
  await linkViews();
  await checkPhone();

  async function checkProportions() {
    await viewer.locator(".stage").screenshot({ path: task.image });
  }

  /** The windows of the file are offered, in its own units. */
  async function chooseWindows() {
    const windows = page.getByLabel("Preset");
    results.windows = (await windows.locator("option").allTextContents()).slice(1, 3);
    results.initialWindow = windowText(await viewText());
    await page.keyboard.press("v");
    await page.waitForFunction(() =>
      document.querySelector("output")?.textContent?.includes("L 900"),
    );
    results.secondWindow = windowText(await viewText());
    await windows.selectOption({ index: 1 });
  }

  /** Return the place of a point of the radiograph, which is fitted into its viewer. */
  async function placeOf([right, down]: Millimetres): Promise<[number, number]> {
    const box = await viewer.locator(".stage").boundingBox();
    assert.ok(box);
    const { width, height } = task;
    const scale = Math.min(box.width / width, box.height / height);
    return [
      box.x + box.width / 2 + (right - width / 2) * scale,
      box.y + box.height / 2 + (down - height / 2) * scale,
    ];
  }

  async function draw(...points: Millimetres[]) {
    const [first, second, ...rest] = await Promise.all(points.map(placeOf));
    assert.ok(first && second);
    await page.mouse.move(...first);
    await page.mouse.down();
    await page.mouse.move((first[0] + second[0]) / 2, (first[1] + second[1]) / 2);
    await page.mouse.move(...second);
    await page.mouse.up();
    for (const point of rest) {
      await page.mouse.move((second[0] + point[0]) / 2, (second[1] + point[1]) / 2);
      await page.mouse.move(...point);
      await page.mouse.down();
      await page.mouse.up();
      await page.waitForTimeout(600); // a second click would make it a double click
    }
  }

  async function measure() {
    const list = viewer.locator(".measurements li");
    const { line, heart, thorax, corner } = task;
    await page.keyboard.press("l");
    await draw(...line);
    await page.keyboard.press("g");
    await draw(...corner);
    await page.keyboard.press("o");
    await page.getByText("Draw the greatest width of the heart").waitFor();
    await draw(...heart);
    await page.getByText("Now draw the greatest inner width").waitFor();
    await draw(...thorax);
    await page.getByText("Drag the ends of the two lines").waitFor();
    results.measurements = await list.allTextContents();
    await viewer.locator(".svg-layer text", { hasText: "Cardiothoracic ratio" }).waitFor();
    await page.keyboard.press("x");
    await page.getByText("Flipped").waitFor();
    await test.inspect("measured");
    assert.deepEqual(await list.allTextContents(), results.measurements);
    await page.keyboard.press("r");
    await list.first().waitFor({ state: "detached" });
    await page.getByText("Flipped").waitFor({ state: "detached" });
    await page.keyboard.press("u");
    await list.nth(3).waitFor();
    assert.deepEqual(await list.allTextContents(), results.measurements);
    await page.keyboard.press("Delete");
    await list.nth(3).waitFor({ state: "detached" });
    await page.keyboard.press("w");
  }

  async function zoomByWheelAndFingers() {
    const box = await viewer.locator(".stage").boundingBox();
    assert.ok(box);
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const { zoom } = await readView(page);
    await page.mouse.move(x, y);
    await page.mouse.wheel(0, -100);
    await pressUntil(page, "", readView, (view) => Math.abs(view.zoom / zoom - 1.16) < 0.04);
    await page.keyboard.press("f");
    const session = await page.context().newCDPSession(page);
    await session.send("Emulation.setTouchEmulationEnabled", { enabled: true, maxTouchPoints: 2 });
    const touch = (type: "touchStart" | "touchMove" | "touchEnd", apart: number) =>
      session.send("Input.dispatchTouchEvent", {
        type,
        touchPoints:
          type === "touchEnd"
            ? []
            : [
                { x: x - apart / 2, y, id: 1 },
                { x: x + apart / 2, y, id: 2 },
              ],
      });
    await page.waitForTimeout(2100); // until then Cornerstone takes touches for those of a mouse
    await touch("touchStart", 100);
    for (let apart = 110; apart <= 200; apart += 10) {
      await touch("touchMove", apart);
      await page.waitForTimeout(30);
    }
    await touch("touchEnd", 0);
    // Twice as far apart: twice as large.
    await pressUntil(page, "", readView, (view) => Math.abs(view.zoom / zoom - 2) < 0.2);
    await session.send("Emulation.setTouchEmulationEnabled", { enabled: false });
    await session.detach();
    await page.keyboard.press("f");
  }

  async function magnify() {
    await page.waitForTimeout(2100); // until then Cornerstone takes a mouse for a touch
    await page.keyboard.press("m");
    const [x, y] = await placeOf([75, 100]);
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.locator(".magnifyTool canvas").waitFor();
    await page.waitForTimeout(500);
    await test.takePicture("magnified");
    await page.mouse.up();
    await page.locator(".magnifyTool").waitFor({ state: "detached" });
    await page.keyboard.press("w");
  }

  /** On the full screen, patient and tools stay. */
  async function fillScreen() {
    const { zoom } = await readView(page);
    await page.keyboard.press("s");
    await page.locator(".reading-room:fullscreen").waitFor();
    await page.locator("aside").waitFor({ state: "hidden" });
    assert.ok(await page.getByRole("heading", { name: "Phantom, Emil" }).isVisible());
    assert.ok(await page.getByRole("button", { name: "Length" }).isVisible());
    await test.takePicture("full screen");
    await pressUntil(page, "s", readView, (view) => view.zoom === zoom);
    await page.locator("aside").waitFor();
  }

  /** Paper has patient, image in its proportions, reading and warning, and no tools. */
  async function printStudy() {
    await checkPrint(page, checkPaper);
  }

  async function checkPaper() {
    for (const [part, isVisible] of [
      [".study-header h1", true],
      [".cornerstone-canvas", true],
      [".reading", true],
      [".printed", true],
      [".toolbar", false],
      [".judgement", false],
    ] as const) {
      assert.equal(await page.locator(part).first().isVisible(), isVisible, part);
    }
    await test.savePdf("printed");
  }

  async function readHeader() {
    await page.keyboard.press("e");
    const dialog = page.getByRole("dialog", { name: "DICOM header" });
    await dialog.getByRole("row").nth(10).waitFor();
    await test.inspect("header");
    await dialog.getByLabel("Search").fill("pixel spacing");
    results.header = await dialog.locator("tbody tr").allTextContents();
    await dialog.getByRole("button", { name: "Close" }).click();
  }

  async function linkViews() {
    await page.keyboard.press("c");
    const prior = page.locator("figure[data-state=shown]").nth(1);
    await prior.waitFor();
    results.identities = await page.locator(".identity").allTextContents();
    await page.keyboard.press("l");
    await prior.locator(".pixels").click({ trial: true });
    await test.inspect("side by side");
    const zoomOf = async (place: number) => {
      const text = await page.locator("figure.viewer output").nth(place).textContent();
      return Number(text?.match(/(\d+) %/)?.[1]);
    };
    const initial = await zoomOf(1);
    const box = await viewer.locator(".stage").boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.wheel(0, -200);
    await waitUntil(async () => (await zoomOf(1)) > 1.2 * initial, "the prior follows");
    await page.keyboard.press("y");
    const [first, linked] = [await zoomOf(0), await zoomOf(1)];
    await page.mouse.wheel(0, -200);
    await waitUntil(async () => (await zoomOf(0)) > 1.2 * first, "the current one zooms");
    assert.equal(await zoomOf(1), linked);
    await page.keyboard.press("r");
    await page.keyboard.press("c");
  }

  /** On a phone, the patient and the image come first, then tools, reading and judgement. */
  async function checkPhone() {
    await page.setViewportSize({ width: 390, height: 844 });
    const tops = [];
    for (const part of [".study-header", "figure.viewer", ".toolbar", ".reading", ".judgement"]) {
      tops.push((await page.locator(part).boundingBox())?.y ?? Number.NaN);
    }
    assert.deepEqual(
      tops,
      tops.toSorted((first, second) => first - second),
    );
    const image = await viewer.boundingBox();
    assert.ok(image && image.y < 300 && image.y + image.height <= 844, JSON.stringify(image));
    await page.setViewportSize(DESKTOP);
  }
});

/** Return width and level of a caption, without the zoom. */
function windowText(caption: string): string {
  return caption.split(" · ")[0] ?? "";
}

// The worklist and the viewer without a mouse: every key that the help names does what it says.

import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";

const EVERYWHERE = "? 1 2 3 4 Q Tab Esc";
const WORKLIST = { Worklist: "j ↓ k ↑ ⏎ m u", Filters: "/ s x d", Everywhere: EVERYWHERE };
const STUDY = {
  Study: "j k Esc",
  View: "w z p ← → ↑ ↓ + - i h , . r c b [ ]",
  Judgement: "a d n t",
  Everywhere: EVERYWHERE,
};

/** The help tells of these keys, and of all that stand on buttons. */
async function checkHelp(page: Page, wanted: Record<string, string>) {
  const onButtons = await page.locator("main kbd").allTextContents();
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keys" });
  await help.waitFor();
  const told = await help
    .locator("section")
    .evaluateAll((all) =>
      all.map((one) => [
        one.querySelector("h3")?.textContent,
        [...one.querySelectorAll("kbd")].map((key) => key.textContent).join(" "),
      ]),
    );
  assert.deepEqual(Object.fromEntries(told), wanted);
  const keys = Object.values(wanted).join(" ").split(" ");
  assert.deepEqual(
    onButtons.filter((key) => !keys.includes(key)),
    [],
  );
  await close(page, help);
}

/** Keys do nothing while it is open. */
async function close(page: Page, help: Locator) {
  await page.keyboard.press("Escape");
  await help.waitFor({ state: "hidden" });
}

/** Out of the help that is open: without keys of one character `?` does nothing, and its button does. */
export async function turnOffAndOn(page: Page) {
  const help = page.getByRole("dialog", { name: "Keys" });
  await help.getByRole("checkbox").uncheck();
  await close(page, help);
  await page.reload();
  await page.getByText("studies,").waitFor();
  await page.keyboard.press("?");
  assert.equal(await help.isVisible(), false);
  await page.getByRole("button", { name: "Show the keys" }).click();
  await help.getByRole("checkbox").check();
  await close(page, help);
}

export async function useWorklist(page: Page, studies: number) {
  const counted = (text: string) => page.getByText(text).waitFor();
  await checkHelp(page, WORKLIST);
  for (const status of ["New", "Read", "Reviewed", "All"]) {
    await page.keyboard.press("s");
    await page.getByRole("radio", { name: status, checked: true }).waitFor();
  }
  await counted(`${studies} studies,`);
  await page.keyboard.press("d");
  await counted("No such studies");
  await page.keyboard.press("d");
  await counted(`${studies} studies,`);
  await page.keyboard.press("x");
  await page.locator("tr.study:not(:has(.remark.rejected))").first().waitFor({ state: "detached" });
  await page.locator("tr.study", { hasText: "nearly of one grey" }).waitFor();
  await page.keyboard.press("x");
  await counted(`${studies} studies,`);
  for (const [key, name] of Object.entries({ 2: "Upload", 3: "Monitoring", 4: "Administration" })) {
    await page.keyboard.press(key);
    await page.getByRole("heading", { name, level: 1 }).waitFor();
    assert.equal(await page.title(), `${name} · pneumoscope`);
  }
  await page.keyboard.press("1");
  await counted(`${studies} studies,`);
}

/** Through the images of a study that has two, and back to its place in the worklist. */
export async function leafThrough(page: Page, names: readonly [string, string]) {
  const row = page.locator("tr.study", { hasText: names[0] });
  await row.getByRole("link").focus();
  await page.keyboard.press("Enter");
  const shows = (name: string) =>
    page.locator("figure[data-state=shown]", { hasText: name }).waitFor();
  await page.locator(".images").waitFor();
  const chosen = await page.locator(".images [aria-pressed=true] small").textContent();
  const [first, other] = chosen === names[0] ? names : [names[1], names[0]];
  await shows(first);
  await page.keyboard.press("]");
  await shows(other);
  await page.keyboard.press("[");
  await shows(first);
  await page.keyboard.press("Escape");
  await row.waitFor();
  await page.waitForFunction(
    (name) => document.activeElement?.closest("tr.study")?.textContent?.includes(name),
    names[0],
  );
}

interface View {
  width: number;
  level: number;
  zoom: number;
}

/** Figures are rounded, and edges of pictures soft. */
const like = (one: number, other: number) => Math.abs(one - other) <= 1;

/** What a radiograph's caption says of the view. */
async function view(page: Page): Promise<View> {
  const told = await page.locator("figure.viewer output").first().textContent();
  const [width, level, zoom] = told?.match(/-?[\d.]+/g)?.map(Number) ?? [];
  assert.ok(width !== undefined && level !== undefined && zoom !== undefined, `${told}`);
  return { width, level, zoom };
}

/** Press keys, and wait until what they change is as it should be: drawing takes its time. */
async function press<T>(
  page: Page,
  keys: string,
  look: (page: Page) => Promise<T>,
  right: (now: T) => boolean,
) {
  for (const key of keys.split(" ")) {
    await page.keyboard.press(key);
  }
  const deadline = Date.now() + 10_000;
  for (let now = await look(page); !right(now); now = await look(page)) {
    assert.ok(Date.now() < deadline, `${keys}: ${JSON.stringify(now)}`);
    await page.waitForTimeout(50);
  }
}

export async function adjustView(page: Page) {
  await checkHelp(page, STUDY);
  const first = await view(page);
  const steps: [string, (now: View) => boolean][] = [
    ["w ArrowRight ArrowRight", (now) => now.width > 1.15 * first.width],
    ["ArrowLeft ArrowLeft", (now) => like(now.width, first.width) && like(now.level, first.level)],
    ["ArrowUp", (now) => now.level < first.level - 5],
    ["ArrowDown ArrowDown", (now) => now.level > first.level + 5],
    ["+ +", (now) => now.zoom > 1.15],
    ["z ArrowDown - - -", (now) => now.zoom < 0.85],
    ["r", (now) => JSON.stringify(now) === JSON.stringify(first)],
  ];
  for (const [keys, right] of steps) {
    await press(page, keys, view, right);
  }
}

/** The heat map is moved with its radiograph, and made fainter. */
export async function adjustMap(page: Page) {
  const first = await drawn(page);
  await press(
    page,
    "p ArrowRight ArrowUp ,",
    drawn,
    ({ x, y, alpha }) => x > first.x + 5 && y < first.y - 5 && alpha < first.alpha - 10,
  );
  await press(
    page,
    ". r",
    drawn,
    ({ x, y, alpha }) => like(x, first.x) && like(y, first.y) && like(alpha, first.alpha),
  );
}

/** Where the middle of the heat map is, and how much of it covers what is below at most. */
function drawn(page: Page) {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>("canvas.layer");
    const context = canvas?.getContext("2d");
    const found = { x: 0, y: 0, alpha: 0, count: 0 };
    if (canvas && context) {
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      for (let place = 0; place < data.length / 4; place += 1) {
        const alpha = data[4 * place + 3] ?? 0;
        if (alpha > 0) {
          found.alpha = Math.max(found.alpha, alpha);
          found.x += place % canvas.width;
          found.y += Math.floor(place / canvas.width);
          found.count += 1;
        }
      }
    }
    return { x: found.x / found.count, y: found.y / found.count, alpha: found.alpha };
  });
}

// From the first start to the last sign out, as people do it. Driven by tests/clinic/test_page.py.

import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";
import type { Page } from "playwright-core";
import { type Settings, Witness } from "./browser.ts";
import * as keyboard from "./keyboard.ts";
import { type Batch, handIn } from "./upload.ts";

interface Task extends Settings {
  /** The address that the server printed, with the token after its `#`. */
  setup: string;
  /** Of these the first patient has a prior. */
  batches: Batch[];
  studies: number;
  /** A radiograph that a program hands in while somebody looks at the worklist. */
  later: string;
  /** Where pictures of the viewer go, which the test compares with the radiograph. */
  viewer: { plain: string; inverted: string };
}

const ANNA = { name: "anna", password: "four words and a number 7" };
const BERTA = { name: "berta", password: "another four words, and an 8" };

/** Two images of one study. */
const LATER = ["later.png", "again.png"] as const;

const task = JSON.parse(process.argv[2] ?? "") as Task;
const witness = await Witness.open(task);
const { page } = witness;
const seen: Record<string, string> = {};

await witness.follow(async () => {
  await setUp(page);
  await signIn(page, ANNA);
  await makeClinician(page);
  await upload(page);
  await seeChanges(page);
  await loseUpdates(page);
  await useWorklist(page);
  await readStudy(page);
  await judge(page);
  await findDisputed(page);
  await signOut(page);
  await workInShadow(page);
  await signOut(page);
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}, seen);

async function setUp(page: Page) {
  await page.goto(task.setup);
  assert.equal(await page.evaluate(() => location.hash), "", "the token stays in the address");
  await witness.look("set-up");
  await page.getByLabel("Name").fill(ANNA.name);
  await page.getByLabel("Password, 15").fill(ANNA.password);
  await page.getByLabel("Password again").fill(ANNA.password);
  await page.getByRole("button", { name: "Make the administrator" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}

async function signIn(page: Page, { name, password }: typeof ANNA) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  if (name === ANNA.name) {
    await witness.look("sign-in");
  }
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
}

async function makeClinician(page: Page) {
  await page.getByRole("link", { name: "Administration" }).click();
  await page.getByLabel("Name", { exact: true }).fill(BERTA.name);
  await page.getByRole("button", { name: "Make the user" }).click();
  await page.getByRole("button", { name: "Password link for berta" }).click();
  const link = (await page.locator("code").textContent()) ?? "";
  await page.getByRole("button", { name: "Tokens of berta" }).click();
  await page.getByLabel("Name of the token").fill("ward round");
  await page.getByRole("button", { name: "Issue a token" }).click();
  seen.token = (await page.locator(".tokens code").textContent()) ?? "";
  assert.match(seen.token, /^pns_/);
  await page.getByLabel("Name of the token").fill("lost");
  await page.getByRole("button", { name: "Issue a token" }).click();
  await page.getByRole("button", { name: "Revoke lost" }).click();
  await page.getByText("revoked").waitFor();
  await page.getByLabel("Name of a further site").fill("Ward 9");
  await page.getByRole("button", { name: "Make the site" }).click();
  await page.getByText("Ward 9").waitFor();
  await witness.look("administration");
  await choosePassword(page, link);
}

async function choosePassword(page: Page, link: string) {
  await page.goto(link);
  assert.equal(await page.evaluate(() => location.hash), "", "the token stays in the address");
  await page.getByLabel("Password, 15").fill(BERTA.password);
  await page.getByLabel("Password again").fill(BERTA.password);
  await witness.look("choose-password");
  await page.getByRole("button", { name: "Save the password" }).click();
  await page.getByRole("heading", { name: "Worklist" }).waitFor(); // anna is still signed in
}

async function upload(page: Page) {
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Worklist", exact: true }).click();
  await page.getByText("No studies yet").waitFor();
  await page.keyboard.press("u");
  await page.getByRole("heading", { name: "Upload" }).waitFor();
  await page.getByText("Patient, for files").click();
  const site = page.getByLabel("Site");
  await site.selectOption("Ward 9"); // waits until it is there
  await site.selectOption("default");
  assert.deepEqual(await site.locator("option").allTextContents(), ["Ward 9", "default"]);
  const progress = await handIn(page, task.batches);
  seen.progress = JSON.stringify(progress);
  await page.getByText("12 files: 11 accepted, 1 refused, 11 read").waitFor();
  seen.outcomes = JSON.stringify(
    await page
      .locator(".outcomes li")
      .evaluateAll((all) =>
        all.map((one) => [".name", ".result"].map((part) => one.querySelector(part)?.textContent)),
      ),
  );
  await page.getByText("Patient, for files").click();
  await witness.look("upload");
}

/** What a program hands in is shown without being asked for; and nothing is asked for otherwise. */
async function seeChanges(page: Page) {
  let searches = 0;
  page.on("request", (request) => {
    searches += request.url().endsWith("/v1/studies/search") ? 1 : 0;
  });
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Worklist", exact: true }).click();
  await page.getByText(`${task.studies} studies,`).waitFor();
  await page.waitForTimeout(5_000); // what came out just before may be told until now
  assert.ok(searches > 0 && searches < 4, `${searches} searches for what had been read`);
  searches = 0;
  await page.waitForTimeout(7_000);
  assert.equal(searches, 0, "it searches though nothing has changed");
  const body = new FormData();
  for (const name of LATER) {
    body.append("files", await openAsBlob(task.later), name);
  }
  body.append("about", JSON.stringify({ study_uid: "2.25.7" }));
  const answer = await fetch(new URL("/v1/readings", page.url()), {
    method: "POST",
    headers: { Authorization: `Bearer ${seen.token}` },
    body,
  });
  assert.ok(answer.ok, await answer.text());
  await page.getByText(`${task.studies + 1} studies,`).waitFor();
  const row = page.locator("tr.study", { hasText: LATER[0] });
  await row.getByText("Read", { exact: true }).waitFor();
  assert.ok(searches > 0 && searches < 4, `${searches} searches for two changes`);
}

/** Without live updates the page says so, until they are there again. */
async function loseUpdates(page: Page) {
  await page.route("**/v1/events", (route) => route.fulfill({ status: 429 }));
  await page.reload();
  const note = page.getByText("Live updates have stopped");
  await note.waitFor();
  await witness.look("stale");
  await page.unroute("**/v1/events");
  await note.waitFor({ state: "detached" });
}

async function useWorklist(page: Page) {
  const rows = page.locator("tr.study");
  await page.getByText(`${task.studies + 1} studies,`).waitFor();
  assert.equal(await rows.count(), task.studies + 1);
  const meters = await page
    .locator("meter")
    .evaluateAll((all) => all.map((one) => (one as HTMLMeterElement).value));
  assert.deepEqual(
    meters,
    meters.toSorted((a, b) => b - a),
    "not by urgency",
  );
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  const focused = await rows.first().evaluate((row) => row.contains(document.activeElement));
  assert.ok(focused, "j, j, k does not come to the first study");
  await witness.look("worklist");
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await witness.look("keys");
  await keyboard.turnOffAndOn(page);
  await keyboard.useWorklist(page, task.studies + 1);
  await keyboard.leafThrough(page, LATER);
  await page.getByRole("radio", { name: "Reviewed" }).check({ force: true });
  await page.getByText("No such studies").waitFor();
  await page.getByRole("radio", { name: "All" }).check({ force: true });
  await search(page, task.batches[0]?.patient["Patient identifier"] ?? "");
  await page.getByText("2 studies,").waitFor();
}

async function search(page: Page, text: string) {
  await page.keyboard.press("/");
  await page.keyboard.type(text);
  await page.keyboard.press("Escape");
  assert.ok(!page.url().includes(text), "the search stands in the address");
}

async function readStudy(page: Page) {
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  const viewer = page.locator("figure.viewer").first();
  await page.locator("figure[data-state=shown] output:not(:empty)").waitFor();
  seen.caption = (await viewer.locator("figcaption span").textContent()) ?? "";
  await viewer.locator("figcaption").evaluate((one) => {
    one.style.visibility = "hidden";
  });
  await viewer.screenshot({ path: task.viewer.plain });
  await page.keyboard.press("i");
  await page.waitForTimeout(500);
  await viewer.screenshot({ path: task.viewer.inverted });
  await page.keyboard.press("i");
  await viewer.locator("figcaption").evaluate((one) => {
    one.style.visibility = "";
  });

  const told = async () => (await viewer.locator("output").textContent()) ?? "";
  const first = await told();
  await drag(page, 120, 60);
  await page.waitForFunction((was) => document.querySelector("output")?.textContent !== was, first);
  seen.window = `${first} became ${await told()}`;
  await page.keyboard.press("z");
  await drag(page, 0, 80);
  assert.ok(!(await told()).endsWith(" 1.0×"), "dragging with the zoom does not enlarge");
  await page.keyboard.press("r");
  await page.waitForFunction((was) => document.querySelector("output")?.textContent === was, first);

  await keyboard.adjustView(page);
  assert.equal(await coloured(page), 0);
  await page.keyboard.press("h");
  await page.locator(".legend").waitFor();
  await page.waitForTimeout(500);
  seen.legend = (await page.locator(".legend").textContent()) ?? "";
  seen.coloured = String(await coloured(page));
  await keyboard.adjustMap(page);
  await witness.look("study");
  await page.keyboard.press("c");
  await page.locator("figure[data-state=shown]").nth(1).waitFor();
  await witness.look("compared");
  await page.keyboard.press("c");
  await page.keyboard.press("b");
  await page.locator("figure[data-state=shown]").nth(1).waitFor();
  await page.keyboard.press("c");
  await page.keyboard.press("h");
  await page.waitForTimeout(200);
  assert.equal(await coloured(page), 0);
}

async function drag(page: Page, right: number, down: number) {
  const box = await page.locator("figure.viewer").first().boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  for (let step = 1; step <= 4; step += 1) {
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await page.mouse.move(x + (right * step) / 4, y + (down * step) / 4);
  }
  await page.mouse.up();
}

/** How many pixels of the heat map are to be seen. */
function coloured(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>("canvas.layer");
    const drawn = canvas?.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height);
    return drawn?.data.filter((value, place) => place % 4 === 3 && value > 0).length ?? -1;
  });
}

async function judge(page: Page) {
  await page.keyboard.press("d");
  await page.keyboard.press("t");
  await page.keyboard.type("artefact");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type("<img src=x onerror=alert(1)> a tube");
  await comeBackToDraft(page);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("anna, version 1").waitFor();
  await page.getByText("artefact · <img src=x onerror=alert(1)> a tube").waitFor();
  await page.keyboard.press("n");
  await page.keyboard.press("Enter");
  await page.getByText("anna, version 2").waitFor();
  await witness.look("judged");
}

/** What is not saved yet survives a look at the worklist, and a session that ends. */
async function comeBackToDraft(page: Page) {
  const words = page.getByLabel("In your words");
  const written = await words.inputValue();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
  await page.goBack();
  await page.getByText("You have not saved this yet.").waitFor();
  assert.equal(await words.inputValue(), written);
  await witness.look("draft");
  await page.context().clearCookies();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel("Name").fill(ANNA.name);
  await page.getByLabel("Password").fill(ANNA.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("You have not saved this yet.").waitFor();
  assert.equal(await words.inputValue(), written);
}

async function findDisputed(page: Page) {
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: "Worklist" }).waitFor();
  await page.keyboard.press("/");
  await page.getByRole("searchbox").fill("");
  await page.keyboard.press("Escape");
  await page.getByRole("checkbox", { name: "Disputed" }).check({ force: true });
  await page.getByText("1 study,").waitFor();
  await page.locator("tr.study .chip.reviewed").waitFor();
}

async function signOut(page: Page) {
  await page.keyboard.press("Q");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  const left = await page.locator("body").textContent();
  assert.ok(!left?.includes("Phantom"), "a patient stays on the screen");
}

/** A clinician of a site in shadow mode sees radiographs, and no readings. */
async function workInShadow(page: Page) {
  await signIn(page, BERTA);
  await page.getByText(`${task.studies + 1} studies,`).waitFor(); // not what anna had filtered
  assert.equal(await page.getByRole("link", { name: "Administration" }).count(), 0);
  await page.getByText("hidden").first().waitFor();
  assert.equal(await page.locator("meter").count(), 0);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.locator("figure[data-state=shown] output:not(:empty)").waitFor();
  await page.getByText("This site is in shadow mode").waitFor();
  assert.equal(await page.getByRole("button", { name: /Heat map/ }).isDisabled(), true);
  await witness.look("shadow");
}

// A browser test: a page, its errors, and checks of layout and accessibility (axe-core).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { ROUTES } from "../../src/routes.ts";

export const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

export interface Account {
  name: string;
  password: string;
}

/** What tests/clinic/e2e passes to every spec. */
export interface Task {
  /** Address of the server. */
  address: string;
  /** Path of axe-core. */
  axe: string;
  /** Folder for screenshots; null for none. */
  screenshots: string | null;
}

/** What a spec reports to the Python test that started it. */
export interface Report {
  /** Errors of the page, and requests to other servers. */
  errors: string[];
  /** Violations of accessibility rules, and pages wider than the screen. */
  violations: string[];
  /** Names of the inspected pages. */
  inspected: string[];
  /** Values for the Python test to check. */
  results: Record<string, unknown>;
}

/** A response that a browser reports as an error, and that the spec causes on purpose. */
export type ExpectedError = [path: string, status: number];

interface Violation {
  id: string;
  help: string;
  nodes: { target: unknown; failureSummary?: string }[];
}

export class BrowserTest<T extends Task> {
  readonly page: Page;
  readonly task: T;
  readonly report: Report = { errors: [], violations: [], inspected: [], results: {} };

  constructor(page: Page, task: T, expectedErrors: ExpectedError[]) {
    this.page = page;
    this.task = task;
    page.on("console", (message) => {
      const { url } = message.location();
      const isExpected = expectedErrors.some(
        ([path, status]) =>
          URL.parse(url)?.pathname.endsWith(path) && message.text().includes(String(status)),
      );
      if (message.type() === "error" && !isExpected) {
        this.report.errors.push(`${message.text()} (${url})`);
      }
    });
    page.on("pageerror", (error) => this.report.errors.push(`exception: ${error.message}`));
    page.on("request", (request) => {
      if (!/^(http:\/\/(127\.0\.0\.1|localhost):|blob:)/.test(request.url())) {
        this.report.errors.push(`request to another server: ${request.url()}`);
      }
    });
  }

  get results(): Record<string, unknown> {
    return this.report.results;
  }

  /** Open an address of this server. */
  async open(path: string): Promise<void> {
    await this.page.goto(this.task.address + path);
  }

  /** Sign in on the page that is shown, and wait for the worklist. */
  async signIn({ name, password }: Account): Promise<void> {
    await this.fillSignIn({ name, password });
    await this.page.getByRole("heading", { name: "Worklist" }).waitFor();
  }

  /** Fill in and submit the sign-in form. */
  async fillSignIn({ name, password }: Account): Promise<void> {
    await this.page.getByLabel("Name").fill(name);
    await this.page.getByLabel("Password", { exact: true }).fill(password);
    await this.page.getByRole("button", { name: "Sign in" }).click();
  }

  /** Open the worklist and sign in. */
  async begin(account: Account): Promise<void> {
    await this.open(ROUTES.worklist);
    await this.signIn(account);
  }

  async signOut(): Promise<void> {
    await this.page.getByRole("button", { name: "Sign out" }).click();
    await this.page.getByRole("heading", { name: "Sign in" }).waitFor();
  }

  /**
   * Check the layout and the accessibility on a light phone and a dark desktop.
   *
   * Where screenshots are wanted, they are taken and checked of all four combinations.
   */
  async inspect(name: string): Promise<void> {
    this.report.inspected.push(name);
    const variants = [
      [PHONE, "light"],
      [PHONE, "dark"],
      [DESKTOP, "light"],
      [DESKTOP, "dark"],
    ] as const;
    const isChecked = ([size, scheme]: (typeof variants)[number]) =>
      this.task.screenshots !== null || (size === PHONE) === (scheme === "light");
    for (const [size, scheme] of variants.filter(isChecked)) {
      await this.page.setViewportSize(size);
      await this.page.emulateMedia({ colorScheme: scheme });
      await this.page.waitForTimeout(150); // for the viewer to adapt to the size
      const variant = `${name}-${size === PHONE ? "phone" : "desktop"}-${scheme}`;
      await this.runAxe(variant);
      const overflow = await this.page.evaluate(
        () => document.documentElement.scrollWidth - innerWidth,
      );
      if (overflow > 0) {
        this.report.violations.push(`${variant}: ${overflow} pixels wider than the screen`);
      }
      if (this.task.screenshots !== null) {
        await this.page.screenshot({ path: join(this.task.screenshots, `${variant}.png`) });
      }
    }
  }

  /** Take a screenshot of a state that axe-core need not see. */
  async takePicture(name: string): Promise<void> {
    if (this.task.screenshots !== null) {
      await this.page.screenshot({ path: join(this.task.screenshots, `${name}.png`) });
    }
  }

  /** Print the page into a file. */
  async savePdf(name: string): Promise<void> {
    if (this.task.screenshots !== null) {
      await this.page.pdf({ path: join(this.task.screenshots, `${name}.pdf`), format: "A4" });
    }
  }

  private async runAxe(variant: string): Promise<void> {
    // Through the debugger, to which the page's Content-Security-Policy does not apply.
    await this.page.evaluate(readFileSync(this.task.axe, "utf8"));
    const { violations } = (await this.page.evaluate("axe.run()")) as { violations: Violation[] };
    for (const { id, help, nodes } of violations) {
      const places = nodes.map(({ target, failureSummary }) => `${target} ${failureSummary ?? ""}`);
      this.report.violations.push(`${variant}: ${id}: ${help}: ${places.join("; ")}`);
    }
  }
}

export interface Spec<T extends Task> {
  run: (test: BrowserTest<T>) => Promise<void>;
  expectedErrors: ExpectedError[];
}

/** Define a spec, which its file exports by default. */
export function defineSpec<T extends Task = Task>(
  run: (test: BrowserTest<T>) => Promise<void>,
  expectedErrors: ExpectedError[] = [],
): Spec<T> {
  // Before anybody signs in, the page asks who is signed in.
  return { run, expectedErrors: [["/v1/session", 401], ...expectedErrors] };
}

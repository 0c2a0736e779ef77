// A browser for the tests: what it complains of is kept, axe-core looks at each page.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

/** What a browser calls errors: nobody is signed in at first, and what the journey has go wrong. */
const EXPECTED = [
  ["/v1/session", "401"],
  ["/v1/readings", "415"],
  ["/v1/events", "429"],
  ["/v1/oidc/callback", "400"],
  ["/judgements", "401"],
] as const;

export interface Settings {
  chromium: string;
  axe: string;
  /** Where screenshots go; none are made without it. */
  pictures: string | null;
  report: string;
}

interface Violation {
  id: string;
  help: string;
  nodes: { target: unknown; failureSummary?: string }[];
}

export class Witness {
  readonly complaints: string[] = [];
  readonly violations: string[] = [];
  readonly looked: string[] = [];
  private readonly browser: Browser;
  private readonly settings: Settings;
  readonly page: Page;

  private constructor(browser: Browser, page: Page, settings: Settings) {
    this.browser = browser;
    this.page = page;
    this.settings = settings;
    page.on("console", (message) => {
      const { url } = message.location();
      const expected = EXPECTED.some(
        ([end, status]) =>
          URL.parse(url)?.pathname.endsWith(end) && message.text().includes(status),
      );
      if (message.type() === "error" && !expected) {
        this.complaints.push(`${message.text()} (${url})`);
      }
    });
    page.on("pageerror", (error) => this.complaints.push(`thrown: ${error.message}`));
    page.on("request", (request) => {
      if (!/^(http:\/\/(127\.0\.0\.1|localhost):|blob:)/.test(request.url())) {
        this.complaints.push(`asked elsewhere: ${request.url()}`);
      }
    });
  }

  static async open(settings: Settings): Promise<Witness> {
    const browser = await chromium.launch({
      executablePath: settings.chromium,
      args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
    });
    const context = await browser.newContext({ viewport: DESKTOP, colorScheme: "dark" });
    context.setDefaultTimeout(60_000);
    return new Witness(browser, await context.newPage(), settings);
  }

  /** Make a journey, and write down what was noticed on it. */
  async follow(journey: () => Promise<void>, seen: Record<string, string> = {}): Promise<void> {
    const { complaints, violations, looked } = this;
    try {
      await journey();
    } catch (error) {
      await this.page.screenshot({ path: `${this.settings.report}.failed.png` });
      throw error;
    } finally {
      const report = JSON.stringify({ complaints, violations, looked, seen });
      writeFileSync(this.settings.report, report);
      await this.browser.close();
    }
  }

  /** Look at a page on a desktop and a phone, dark and light, with axe-core and a camera. */
  async look(name: string): Promise<void> {
    this.looked.push(name);
    for (const [size, scheme] of [
      [PHONE, "light"],
      [PHONE, "dark"],
      [DESKTOP, "light"],
      [DESKTOP, "dark"],
    ] as const) {
      await this.page.setViewportSize(size);
      await this.page.emulateMedia({ colorScheme: scheme });
      await this.page.waitForTimeout(150); // for the viewer to take its new size
      const kind = `${name}-${size === PHONE ? "phone" : "desktop"}-${scheme}`;
      await this.axe(kind);
      const overflow = await this.page.evaluate(
        () => document.documentElement.scrollWidth - innerWidth,
      );
      if (overflow > 0) {
        this.violations.push(`${kind}: ${overflow} pixels wider than the screen`);
      }
      if (this.settings.pictures !== null) {
        await this.page.screenshot({ path: join(this.settings.pictures, `${kind}.png`) });
      }
    }
  }

  private async axe(kind: string): Promise<void> {
    // Through the debugger, which the page's policy does not stop.
    await this.page.evaluate(readFileSync(this.settings.axe, "utf8"));
    const found = (await this.page.evaluate("axe.run()")) as { violations: Violation[] };
    for (const { id, help, nodes } of found.violations) {
      const where = nodes.map((one) => `${one.target} ${one.failureSummary ?? ""}`).join("; ");
      this.violations.push(`${kind}: ${id}: ${help}: ${where}`);
    }
  }
}

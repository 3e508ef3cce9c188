/** The dashboard in Debian's Chromium: opening a page with all that goes wrong in it, walking to each of its pages, asking axe. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What each page of the dashboard is known by, once its answers are there. */
const SIGNS = {
  overview: '.plot canvas',
  groups: '.completion .model-text',
  tokens: '.heat-text span[data-token]',
  video: '.clip .sheet',
  evaluation: '.items .completion',
  run: '.config code',
  alerts: '.alerts li, .empty',
} as const;
export type PageName = keyof typeof SIGNS;
export const PAGES = Object.keys(SIGNS) as readonly PageName[];

export const hasBrowser = existsSync(CHROMIUM);
/** A test's title, which says why it is skipped. */
export const inBrowser = (title: string): string =>
  hasBrowser ? title : `${title} (skipped: no ${CHROMIUM})`;

export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-background-networking'],
  });

export interface OpenedPage {
  readonly page: Page;
  /** Errors of scripts and lines on the console, as they come. */
  readonly problems: readonly string[];
}

/** A page in a context of its own: close that. */
export async function openPage(
  browser: Browser,
  { url, width = 1600, dark = false }: { url: string; width?: number; dark?: boolean },
): Promise<OpenedPage> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('console', (message) => {
    // A question that was taken back is no failure; nor is the missing clip that a test asks for.
    if (message.type() === 'error' && !message.text().includes('404')) problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(url);
  await page.locator('#main').waitFor();
  return { page, problems };
}

/** Goes to one of the pages by its link, and waits for what it shows. */
export async function visit(page: Page, name: PageName): Promise<void> {
  await page.locator(`nav a[href^="#/${name}"]`).click();
  await page.locator(SIGNS[name]).first().waitFor();
}

/** Goes to a place by its address, such as `#/tokens?step=3`. */
export async function show(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page
    .locator('nav a[aria-current]')
    .and(page.locator(`[href^="#/${hash.split('?')[0]!.replace('#/', '')}"]`))
    .waitFor();
}

/** What the heat map of one completion holds, token by token. */
export const heatOf = (page: Page, row: number): Promise<string[]> =>
  page
    .locator(`article[aria-label="Completion ${row}"] span[data-token]`)
    .evaluateAll((spans) => spans.map((span) => span.getAttribute('data-value') ?? ''));

/** What axe finds on the page as it is, one line a rule. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`,
    );
  });
}

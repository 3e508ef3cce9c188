/**
 * @file The pictures of the dashboard in docs/images, taken of any runs:
 *
 *   node scripts/screenshots.mjs runs/tw-grpo [runs/grpo ...]
 *
 * The first run is in front, the others are overlaid. Needs Chromium (CHROMIUM_PATH, or /usr/bin/chromium).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { startDashboard, Workspace } from '../../src/dashboard/index.ts';

const SHOTS = [
  { name: 'dashboard-overview', page: 'overview', width: 1280, height: 860, scheme: 'light' },
  { name: 'dashboard-groups', page: 'groups', width: 1280, height: 860, scheme: 'light' },
  { name: 'dashboard-tokens', page: 'tokens', width: 1280, height: 860, scheme: 'dark' },
  { name: 'dashboard-phone', page: 'overview', width: 390, height: 844, scheme: 'dark' },
] as const;

const folders = process.argv.slice(2);
if (folders.length === 0) throw new Error('usage: node scripts/screenshots.mjs RUN...');
const output = resolve(import.meta.dirname, '../../docs/images');
mkdirSync(output, { recursive: true });

const workspace = new Workspace(folders);
const dashboard = await startDashboard({ workspace, port: 0 });
const ids = folders.flatMap((folder) =>
  workspace
    .listing()
    .runs.filter(({ path }) => path === resolve(folder))
    .map(({ id }) => id),
);
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-background-networking'],
});
try {
  for (const { name, page: which, width, height, scheme } of SHOTS) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    // An early step: its completions still differ.
    const others = which === 'overview' && ids.length > 1 ? `&with=${ids.slice(1).join(',')}` : '';
    await page.goto(dashboard.url);
    await page.locator('#main').waitFor();
    await page.evaluate(`location.hash = '#/${which}?run=${ids[0]}${others}&step=3'`);
    await page.waitForLoadState('networkidle');
    await page.waitForTimeout(1500);
    writeFileSync(resolve(output, `${name}.png`), await page.screenshot());
    await context.close();
    process.stdout.write(`docs/images/${name}.png\n`);
  }
} finally {
  await browser.close();
  await dashboard.close();
}

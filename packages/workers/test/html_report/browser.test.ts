/** The report in a real browser: it loads without a word, asks for nothing, can be read by keyboard and mouse, in light and dark. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { assert, suite } from '@faultlab/test-support';
import { parseComparison } from '@faultlab/workers/compare/comparison_file';
import { writeFiles } from '@faultlab/workers/exports/write_exports';
import { shownClaims } from '@faultlab/workers/html_report/of_claims';
import { shownComparison } from '@faultlab/workers/html_report/of_comparison';
import { reportPage } from '@faultlab/workers/html_report/page';
import type { Page } from 'playwright-core';
import { CLAIMS_FIXTURE, comparisonFixture, HOSTILE } from './comparison_fixture.ts';
import { findBrowser, launch, NO_BROWSER } from './find_browser.ts';

const test = suite('html_report/browser');
const PATIENT = { deadlineMs: 100_000 };
const SIZE = { scenarios: 1, policies: 3, runs: 4, paths: 6, eventsPerCpu: 160 };

async function writePage(folder: string): Promise<string> {
  const text = await reportPage({
    title: 'a report',
    comparisons: [shownComparison(parseComparison(JSON.stringify(comparisonFixture(SIZE)), 'c.json'), 'c.json')],
    claims: [shownClaims(CLAIMS_FIXTURE, 'claims.json')],
    runs: [],
    leftOut: [],
  });
  await writeFiles(folder, [{ name: 'report.html', text }]);
  return pathToFileURL(join(folder, 'report.html')).href;
}

const stretch = (page: Page): Promise<[number, number]> =>
  page.locator('svg.lanes').evaluate((lanes) => [Number(lanes.dataset['from']), Number(lanes.dataset['to'])]);
const length = async (page: Page): Promise<number> => {
  const [from, to] = await stretch(page);
  return to - from;
};

/** What went wrong on the page, and what it asked for. */
interface Heard {
  readonly errors: string[];
  readonly requests: string[];
}

function listen(page: Page): Heard {
  const heard: Heard = { errors: [], requests: [] };
  page.on('pageerror', (error) => heard.errors.push(error.message));
  page.on('console', (message) => heard.errors.push(message.text()));
  page.on('dialog', (dialog) => heard.errors.push(`dialog ${dialog.message()}`));
  page.on('request', (request) => heard.requests.push(request.url()));
  return heard;
}

async function chartsHaveMarksAndTables(page: Page): Promise<void> {
  const charts = await page.locator('svg.chart').evaluateAll((all) => all.map((chart) => chart.querySelectorAll('.mark').length));
  assert.ok(charts.length >= 8 && charts.every((marks) => marks > 0), JSON.stringify(charts));
  const figures = await page
    .locator('figure')
    .evaluateAll((all) => all.map((figure) => figure.querySelectorAll('details table tbody tr').length));
  assert.ok(
    figures.every((rows) => rows > 0),
    JSON.stringify(figures),
  );
  const table = page.locator('figure details').first();
  assert.not.ok(await table.locator('table').first().isVisible());
  await table.locator('summary').focus();
  await page.keyboard.press('Enter');
  assert.ok(await table.locator('table').first().isVisible());
}

async function hostileNamesAreText(page: Page): Promise<void> {
  assert.is(await page.title(), 'a report');
  const names = await page.locator('.legend li').allTextContents();
  assert.ok(names.some((name) => name.includes(HOSTILE)));
}

async function chartsAreReadByKeyboard(page: Page): Promise<void> {
  const chart = page.locator('svg.chart').first();
  await chart.focus();
  const said = page.locator('svg.chart + output').first();
  await page.keyboard.press('ArrowRight');
  const first = (await said.textContent()) ?? '';
  await page.keyboard.press('ArrowRight');
  assert.ok(first.length > 10 && (await said.textContent()) !== first);
  assert.is(await chart.locator('.mark.chosen').count(), 1);
}

async function timelineZooms(page: Page): Promise<void> {
  const lanes = page.locator('svg.lanes');
  await lanes.focus();
  assert.is(await lanes.locator('.lane').count(), 4);
  assert.ok((await lanes.locator('.wake').count()) > 0 && (await lanes.locator('.slice').count()) > 20);
  await page.keyboard.press('Home');
  const all = await length(page);
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  const zoomed = await length(page);
  assert.ok(zoomed < all / 2);
  const [before] = await stretch(page);
  await page.keyboard.press('ArrowRight');
  assert.ok((await stretch(page))[0] > before);
  await page.keyboard.press('-');
  assert.ok((await length(page)) > zoomed);
  await page.keyboard.press('n');
  assert.match(
    (await page.locator('figure.timeline output').textContent()) ?? '',
    /^CPU \d wakes CPU \d at [\d.]+ ms; it went on \d+ us later$/,
  );
  assert.is(await lanes.locator('.wake.chosen').count(), 1);
  await page.keyboard.press('ArrowDown');
  assert.match((await page.locator('figure.timeline output').textContent()) ?? '', /^CPU \d at [\d.]+ ms: /);
  await timelineMovesWithTheMouse(page);
}

async function timelineMovesWithTheMouse(page: Page): Promise<void> {
  const lanes = page.locator('svg.lanes');
  await lanes.scrollIntoViewIfNeeded();
  await page.keyboard.press('Home');
  const all = await length(page);
  const box = await lanes.boundingBox();
  assert.ok(box !== null);
  const [x, y] = [box.x + box.width * 0.6, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.wheel(0, -240);
  await page.waitForFunction(`Number(document.querySelector('svg.lanes').dataset.to) < ${all}`);
  assert.ok((await length(page)) < all);
  const [before] = await stretch(page);
  await page.mouse.down();
  await page.mouse.move(x - 120, y, { steps: 3 });
  await page.mouse.up();
  assert.ok((await stretch(page))[0] > before);
  await page.getByRole('button', { name: 'all' }).click();
  assert.is(await length(page), all);
}

async function isDark(page: Page): Promise<boolean> {
  const [paper = 0, ink = 0] = await page.evaluate<number[]>(
    "['backgroundColor', 'color'].map((name) => Number(/[0-9]+/.exec(getComputedStyle(document.body)[name])[0]))",
  );
  assert.ok(Math.abs(paper - ink) > 150, `paper ${paper}, ink ${ink}`);
  return paper < ink;
}

test(
  'the report works in a browser',
  async () => {
    const executablePath = findBrowser();
    if (executablePath === undefined) {
      console.log(NO_BROWSER);
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'faultlab-report-'));
    const browser = await launch(executablePath);
    try {
      const page = await browser.newPage({ colorScheme: 'light', viewport: { width: 1000, height: 800 } });
      const heard = listen(page);
      const url = await writePage(folder);
      await page.goto(url);
      const ready = await page.evaluate<string>('document.documentElement.dataset.readyMs');
      console.log(`time to interactive: ${ready} ms`);
      assert.ok(Number(ready) > 0);
      await hostileNamesAreText(page);
      await chartsHaveMarksAndTables(page);
      await chartsAreReadByKeyboard(page);
      await timelineZooms(page);
      assert.not.ok(await isDark(page));
      await page.emulateMedia({ colorScheme: 'dark' });
      assert.ok(await isDark(page));
      assert.equal(heard, { errors: [], requests: [url] });
    } finally {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  PATIENT,
);

test.run();

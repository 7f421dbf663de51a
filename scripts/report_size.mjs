/**
 * Makes the report of a made-up comparison of 100 runs and says how large it is, and, where there is a Chromium, how long it takes until it can be used.
 *
 *   node scripts/report_size.mjs [--scenarios N] [--policies N] [--runs N] [--keep FOLDER]
 */

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    scenarios: { type: 'string', default: '5' },
    policies: { type: 'string', default: '4' },
    runs: { type: 'string', default: '5' },
    keep: { type: 'string' },
  },
});
const TRIES = 5;
const tests = new URL('../packages/workers/dist-test/html_report/', import.meta.url);
const { comparisonFixture } = await import(new URL('comparison_fixture.js', tests));
const { findBrowser, launch, NO_BROWSER } = await import(new URL('find_browser.js', tests));
const { writeComparisonReport } = await import('../packages/workers/bundle/html_report/write_report.js');

const [scenarios, policies, runs] = [values.scenarios, values.policies, values.runs].map(Number);
const folder = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'faultlab-report-')) : resolve(values.keep);
try {
  const started = performance.now();
  await writeComparisonReport(folder, 'report.html', comparisonFixture({ scenarios, policies, runs, paths: 14, eventsPerCpu: 512 }));
  const file = join(folder, 'report.html');
  const kib = statSync(file).size / 1024;
  console.log(
    `report: ${scenarios * policies * runs} runs (${scenarios} scenarios, ${policies} policies), ${kib.toFixed(0)} KiB, made in ${(performance.now() - started).toFixed(0)} ms`,
  );
  await timeInBrowser(pathToFileURL(file).href);
} finally {
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
}

async function timeInBrowser(url) {
  const path = findBrowser();
  if (path === undefined) {
    console.log(NO_BROWSER);
    return;
  }
  const browser = await launch(path);
  const times = [];
  for (let run = 0; run < TRIES; run++) {
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    await page.goto(url);
    times.push(Number(await page.evaluate('document.documentElement.dataset.readyMs')));
    await page.close();
  }
  await browser.close();
  console.log(`time to interactive: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms (Chromium ${browser.version()})`);
}

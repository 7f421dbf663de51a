#!/usr/bin/env node
/**
 * Produces the result files of docs/RESULTS.md: results/*.json. On an idle machine with two cores it takes less than ten minutes; other programs spoil it, and
 * then the files say so. Needs a build.
 *
 *   node scripts/collect_results.mjs [--runs N] [--seconds S] [--only NAME] && node scripts/results_page.mjs
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { countBranches } from './lib/branches.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = (path) => import(pathToFileURL(join(root, path)).href);
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '0.5' },
    only: { type: 'string' },
  },
});
const runs = Number(values.runs);
const seconds = Number(values.seconds);
if (!(Number.isInteger(runs) && runs > 0 && seconds > 0)) {
  console.error('--runs must be a whole number and --seconds a number, both above 0.');
  process.exit(2);
}

const { RESULT_FILES } = await built('packages/workers/bundle/results/result_files.js');
const { runCompare } = await built('packages/workers/bundle/compare/run_compare.js');
const { comparisonFile } = await built('packages/workers/bundle/compare/comparison_of.js');
const { environment } = await built('packages/workers/bundle/environment.js');
const { scenarioByName } = await built('packages/workers/bundle/scenarios/by_name.js');
const CPUS = 4;
const DIGITS = 4;
const SEED = 1;

/** One run a line: what is not needed for the page - empty metrics, a fifth digit, latencies by buckets - is left out. */
function compact(file) {
  const small = (run) => {
    const said = Object.entries(run.metrics).filter(([, value]) => value !== null);
    const metrics = Object.fromEntries(said.map(([name, value]) => [name, Number(value.toPrecision(DIGITS))]));
    return { ...run, metrics, histograms: { ...run.histograms, latency: {} } };
  };
  const scenarios = file.scenarios.map(({ scenario, policies }) => ({
    scenario,
    policies: policies.map(({ policy, runs: all }) => ({ policy, runs: all.map(small) })),
  }));
  return `${JSON.stringify({ ...file, scenarios }).replaceAll('{"policy":', '\n{"policy":')}\n`;
}

const folder = join(root, 'results');
mkdirSync(folder, { recursive: true });
const wanted = (name) => values.only === undefined || values.only === name;
for (const { name, policies, scenarios } of RESULT_FILES) {
  if (!wanted(name)) continue;
  const startedMs = performance.now();
  const options = {
    scenarios: scenarios.map(scenarioByName),
    policies,
    runs,
    seconds,
    cpus: CPUS,
    seed: SEED,
  };
  const comparison = await runCompare(options);
  if (comparison.failed !== undefined) {
    const { policy, verdict } = comparison.failed.result;
    console.error(`${name}: a run under ${policy} ended with ${verdict}; nothing is written. Run faultlab compare to see it.`);
    process.exit(1);
  }
  writeFileSync(join(folder, `${name}.json`), compact(comparisonFile(options, comparison, environment())));
  const others = comparison.othersCores.toFixed(2);
  console.log(`results/${name}.json: ${((performance.now() - startedMs) / 1000).toFixed(0)} s; other programs took ${others} cores`);
}
if (wanted('branches')) {
  const text = JSON.stringify({ schema: 1, kind: 'branches', policies: await countBranches() }).replaceAll('{"policy":', '\n{"policy":');
  writeFileSync(join(folder, 'branches.json'), `${text}\n`);
  console.log('results/branches.json');
}

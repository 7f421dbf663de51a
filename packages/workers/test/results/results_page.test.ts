/**
 * docs/RESULTS.md on made files: the same files give the same text, and an answer follows its figures.
 */

import { UsageError } from '@faultlab/core/base/errors';
import { Prng } from '@faultlab/core/base/prng';
import { assert, suite } from '@faultlab/test-support';
import { type ComparisonFile, parseComparison } from '@faultlab/workers/compare/comparison_file';
import { METRICS } from '@faultlab/workers/compare/metrics';
import { Evidence, type ResultSet } from '@faultlab/workers/results/evidence';
import { answersOf, UNDECIDED } from '@faultlab/workers/results/questions';
import { RESULT_FILES, type ResultFile, type ResultName } from '@faultlab/workers/results/result_files';
import { parseBranches, resultsPage } from '@faultlab/workers/results/results_page';

const test = suite('results/results_page');

/** How much larger a metric is than by chance alone. */
type Factor = (policy: string, scenario: string, metric: string) => number;
const RUNS = 7;
/** The page asks for these, and what else there is would be tested for nothing. */
const ASKED = METRICS.filter(({ name }) =>
  /^(mmap_(read|write)|pages_used|writer_behind_io|gone|drops|faults|fork_stall|vma_write_wait_mean)/.test(name),
);

function madeFile({ policies, scenarios }: ResultFile, factor: Factor, trustworthy: boolean): ComparisonFile {
  const prng = new Prng(11);
  const names = policies.map(({ name }) => name);
  const run = (policy: string, scenario: string, place: number) => ({
    policy,
    run: place,
    seed: place,
    seconds: 1,
    cpuSeconds: null,
    othersCores: trustworthy ? 0 : 1,
    trustworthy,
    ...(trustworthy ? {} : { reason: 'other programs took 1.00 of 2 cores' }),
    metrics: Object.fromEntries(ASKED.map(({ name }) => [name, (100 + prng.below(40)) * factor(policy, scenario, name)])),
    histograms: { waits: {}, latency: {} },
  });
  return {
    schema: 1,
    kind: 'comparison',
    parameters: { policies: names, scenarios: [...scenarios], trace: null, cpus: 4, runs: RUNS, seconds: 1, seed: 1 },
    environment: { node: 'v20', v8: '11', platform: 'linux x64', cpuModel: 'a CPU', cores: 2, load: 0.1 },
    scenarios: scenarios.map((scenario) => ({
      scenario,
      policies: names.map((policy) => ({ policy, runs: Array.from({ length: RUNS }, (_, place) => run(policy, scenario, place)) })),
    })),
    interrupted: false,
    failed: null,
  };
}

const BRANCHES = ['linux-6.18', 'retry-vma', 'hold', 'hold-file', 'reacquire'].map((policy, place) => ({
  policy,
  decisions: 10,
  attempts: 5,
  mmapAcquisitions: 2,
  drops: 1,
  outcomes: Array.from({ length: 20 + place - (policy === 'hold' ? 9 : 0) }, (_, outcome) => `${outcome}+`),
}));

const madeSet = (factor: Factor, trustworthy = true): ResultSet => ({
  comparisons: Object.fromEntries(RESULT_FILES.map((file) => [file.name, madeFile(file, factor, trustworthy)])) as Record<
    ResultName,
    ComparisonFile
  >,
  branches: BRANCHES,
});

const answers = (factor: Factor): string[] => answersOf(new Evidence(madeSet(factor))).map(({ answer }) => answer);

test('the same files give the same text, also when they have been written and read', () => {
  const set = madeSet(() => 1);
  const again = {
    comparisons: Object.fromEntries(
      Object.entries(set.comparisons).map(([name, file]) => [name, parseComparison(JSON.stringify(file), name)]),
    ) as ResultSet['comparisons'],
    branches: parseBranches(JSON.stringify({ schema: 1, kind: 'branches', policies: set.branches }), 'branches'),
  };
  const text = resultsPage(set);
  assert.is(resultsPage(again), text);
  assert.match(text, /All runs had enough CPU\./);
  assert.not.match(text, /undefined|NaN|Infinity|\[object/);
  assert.match(resultsPage(madeSet(() => 1, false)), /\n0 of \d+ runs had enough CPU\./);
});

test('where nothing differs nothing is decided', () => {
  const all = answers(() => 1);
  for (const answer of all.slice(1)) assert.match(answer, new RegExp(`^${UNDECIDED}`));
  assert.match(all[0] ?? '', /^Of acquisitions: not decidable here\..* Of throughput: not decidable here\./);
});

test('an answer follows its figures', () => {
  const hold = answers((policy, scenario, metric) => {
    if (policy !== 'hold' || !metric.startsWith('writer_behind_io')) return 1;
    return scenario === 'split_many_small' ? 1.8 : 20;
  });
  assert.match(hold[1] ?? '', /^Yes\. .* rise in `refault_thrash`, /);
  assert.match(hold[3] ?? '', /^It makes writers wait\./);
  assert.match(hold[4] ?? '', /^Holding stalls it\./);

  const less = answers((policy, _, metric) => (policy === 'hold' && metric.startsWith('writer_behind_io') ? 0.1 : 1));
  assert.match(less[1] ?? '', /^No\. /);
  assert.match(less[4] ?? '', /^Holding does not stall it\./);

  const retry = answers((policy, scenario, metric) => {
    if (policy === 'retry-vma' && metric === 'mmap_read_per_fault') return 0.2;
    if (policy === 'retry-vma' && metric === 'gone_share') return 0.01;
    if (policy === 'retry-vma' && metric === 'pages_used') return scenario === 'cold_readers' ? 3 : 1;
    return policy === 'retry-vma-uptodate' && metric === 'pages_used' && scenario === 'swap_storm' ? 0.3 : 1;
  });
  assert.match(
    retry[0] ?? '',
    /^Of acquisitions: yes\. .* 8 of 8 scenarios .* Of throughput: yes\. .* rise in `cold_readers` and fall in none\./,
  );
  assert.match(retry[2] ?? '', /^Yes\. .* which is not decided\.$/);
  assert.match(retry[5] ?? '', /^No\. .* rise in none and fall in `swap_storm`;/);
  assert.match(retry[6] ?? '', /^In part\. .*`retry-vma` \(\+1\).* rises? in at least one scenario under `retry-vma`\. `hold` has -7\./);
});

test('a count of branches that is none is refused with one sentence', () => {
  for (const wrong of ['{', '[]', '{"schema":1,"kind":"branches"}', '{"schema":1,"kind":"soak","policies":[]}']) {
    try {
      parseBranches(wrong, 'b.json');
      assert.unreachable(wrong);
    } catch (error) {
      assert.instance(error, UsageError);
      assert.match((error as Error).message, /^b\.json is not a count of branches that can be read: [^\n]+\.$/);
    }
  }
});

test.run();

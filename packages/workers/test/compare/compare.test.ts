/**
 * Comparisons of policies: runs in turn, what is measured, and the tables.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { type Measured, median } from '@faultlab/workers/compare/measured';
import { runCompare } from '@faultlab/workers/compare/run_compare';
import { selfCheckReport } from '@faultlab/workers/compare/self_check';
import { retryReport } from '@faultlab/workers/report/compare_report';
import { scenarioByName } from '@faultlab/workers/scenarios/by_name';
import { mainHere } from '../soak/fixtures.ts';

const test = suite('compare');
const PATIENT = { deadlineMs: 100_000 };
const policies = ['linux-6.18', 'hold'].map(policyByName);

test(
  'policies run in turn, and what their devices and retries did is measured',
  async () => {
    const order: string[] = [];
    const options = { policies, runs: 2, seconds: 0.3, cpus: 2, seed: 3, onRun: (policy: string) => void order.push(policy) };
    const { measured, scenarios, failed, interrupted } = await runCompare({
      ...options,
      scenarios: [scenarioByName('working_set_far_beyond_memory')],
    });
    const ran = measured[0]?.policies ?? [];
    assert.equal([failed, interrupted], [undefined, false]);
    assert.equal(
      scenarios[0]?.policies.map(({ runs }) => runs.map(({ run, seed }) => [run, seed])),
      [
        [
          [0, 3],
          [1, 4],
        ],
        [
          [0, 3],
          [1, 4],
        ],
      ],
    );
    assert.equal(order, ['linux-6.18', 'hold', 'linux-6.18', 'hold']);
    assert.equal(
      ran.map(({ policy, runs }) => [policy, runs.length]),
      [
        ['linux-6.18', 2],
        ['hold', 2],
      ],
    );
    for (const { policy, runs } of ran) {
      for (const run of runs) {
        assert.is(run.dropsPerSecond > 0, policy === 'linux-6.18');
        assert.is(run.goneShare === undefined, policy === 'hold');
        assert.is(run.devices.length, 1);
        assert.is(Math.round(run.devices[0]?.pagesPerSecondAllowed ?? 0), 400, 'two requests of one page at a time, 5 ms each');
        assert.ok(run.pagesReadPerPageUsed > 0 && run.usesPerSecond > 0 && run.faultsPerSecond > 0);
      }
    }
  },
  PATIENT,
);

test('the tables hold medians, and a dash where there is no retry', () => {
  const run = (gonePerSecond: number, goneShare: number | undefined, pagesPerSecond: number): Measured => ({
    seconds: 1,
    dropsPerSecond: 100,
    gonePerSecond,
    goneShare,
    pagesReadPerPageUsed: 1.5,
    refaultsPerSecond: 7,
    faultsPerSecond: 300,
    usesPerSecond: 290,
    devices: [{ device: 1, readsPerSecond: 10, pagesPerSecond, pagesPerSecondAllowed: 100 }],
  });
  assert.equal([median([3, 1, 2]), median([4, 1, 2, 3]), median([5])], [2, 2.5, 5]);
  const lines = retryReport([
    { policy: 'one', runs: [run(10, 0.1, 80), run(40, 0.4, 90), run(20, 0.2, 95)] },
    { policy: 'other', runs: [run(0, undefined, 50)] },
  ]);
  const cells = (start: string): string[][] => lines.filter((line) => line.startsWith(start)).map((line) => line.split(/ {2,}/));
  assert.equal(cells('one'), [
    ['one', '3', '100', '20', '20.0 %', '10.0 % to 40.0 %', '1.50', '7', '300', '290'],
    ['one', '1', '10', '90', '100', '90.0 %'],
  ]);
  assert.equal(cells('other')[0]?.slice(4, 6), ['-', '-']);
});

test(
  'the command prints both tables and its verdict, and refuses what it does not know',
  async () => {
    const words = ['--scenario', 'disjoint_anon', '--policies', 'hold', '--runs', '1', '--seconds', '0.1', '--cpus', '2', '--seed', '4'];
    const good = await mainHere(['compare', ...words], '.');
    assert.is(good.code, 0, good.errors);
    assert.match(good.out, /^compare: disjoint_anon, 2 CPUs, 1 runs of 0.1 s under each of 1 policies, seed 4\n/);
    assert.match(
      good.out,
      /No device that takes time was read\.\n\ncompare: SUCCESS scenario=disjoint_anon cpus=2 runs=1 seconds=0.1 seed=4\n$/,
    );
    for (const wrong of [
      ['--policies', 'hold,,hold'],
      ['--policies', 'linux-9'],
      ['--scenario', 'rain'],
      ['--io', 'fixed:1ms'],
      ['--trace', 'nowhere.txt', '--scenario', 'fork_io'],
      ['--trace', 'nowhere.txt', '--self-check', '2'],
      ['--self-check', '0'],
      ['--scenario', 'uffd_handoff', '--cpus', '1'],
    ]) {
      const refused = await mainHere(['compare', ...wrong], '.');
      assert.is(refused.code, 2, wrong.join(' '));
      assert.match(refused.errors, /^[^\n]+\.\n$/);
    }
    assert.instance(
      await runCompare({ scenarios: [scenarioByName('uffd_handoff')], policies, runs: 1, seconds: 0.1, cpus: 1, seed: 1 }).catch(
        (error: unknown) => error,
      ),
      UsageError,
    );
  },
  PATIENT,
);

test('a comparison of a policy with itself says how much of it is called significant', () => {
  const lines = (significant: number): string[] =>
    selfCheckReport({
      pairs: 2,
      metrics: 100,
      significant,
      which: new Map([['faults', significant]]),
      within: significant <= 5,
      othersCores: 0,
      failed: undefined,
      interrupted: false,
    });
  assert.equal(lines(5), [
    '5 of 100 comparisons of a metric with itself were called significant, in 2 pairs: 5.00 %; allowed are 5 %.',
    '  faults: 5',
    '',
    'compare: SUCCESS self-check metrics=100 significant=5 share=5.00%',
  ]);
  assert.is(lines(6).at(-1), 'compare: FAILURE self-check metrics=100 significant=6 share=6.00%');
});

test.run();

/**
 * The file of a comparison: what was written is read again, and whatever is wrong with a file is one sentence.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import {
  type ComparisonFile,
  type PolicyRecord,
  parseComparison,
  readComparisonFile,
  type ScenarioRecord,
} from '@faultlab/workers/compare/comparison_file';
import { METRICS } from '@faultlab/workers/compare/metrics';
import { environment } from '@faultlab/workers/environment';

const test = suite('compare/comparison_file');

const good: ComparisonFile = {
  schema: 1,
  kind: 'comparison',
  parameters: { policies: ['a', 'b'], scenarios: ['rain'], trace: null, cpus: 2, runs: 1, seconds: 1, seed: 3 },
  environment: environment(),
  scenarios: [
    {
      scenario: 'rain',
      policies: [
        {
          policy: 'a',
          runs: [
            {
              policy: 'a',
              run: 0,
              seed: 3,
              seconds: 1.01,
              cpuSeconds: null,
              othersCores: 0.9,
              trustworthy: false,
              reason: 'other programs took 0.90 of 2 cores',
              metrics: { faults: 12.5, gone_share: null },
              histograms: { waits: { 'vma write': [3, 0, 0, 0, 1, 0, 0, 0] }, latency: { fork: [[60, 2]] } },
            },
          ],
        },
      ],
    },
  ],
  interrupted: false,
  failed: null,
  timeline: { scenario: 'rain', policy: 'a', run: 0, cpus: [[{ cpu: 0, sequence: 4, timeUs: 17, name: 'sleep', args: { kind: 7 } }], []] },
};

test('what was written is read again', () => {
  assert.equal(parseComparison(JSON.stringify(good), 'x.json'), good);
});

test('a file that is none is refused with one sentence', async () => {
  const file = (changes: Record<string, unknown>): string => JSON.stringify({ ...good, ...changes });
  const [scenario] = good.scenarios as [ScenarioRecord];
  const [policy] = scenario.policies as [PolicyRecord];
  const run = (changes: Record<string, unknown>): string =>
    file({ scenarios: [{ ...scenario, policies: [{ ...policy, runs: [{ ...policy.runs[0], ...changes }] }] }] });
  for (const [content, why] of [
    ['', /it is empty/],
    ['{"kind":', /not JSON, or is cut off/],
    ['[]', /not an object/],
    [file({ kind: 'soak' }), /its kind is "soak"/],
    [file({ schema: 2 }), /its schema is 2/],
    [file({ failed: undefined }), /it lacks the field failed/],
    [file({ weather: 1 }), /it has the field weather/],
    [run({ metrics: { faults: 'many' } }), /its field scenarios\.0\.policies\.0\.runs\.0\.metrics\.faults is wrong/],
    [run({ policy: 'b' }), /its parts contradict each other/],
  ] as const) {
    try {
      parseComparison(content, 'x.json');
      assert.unreachable(content);
    } catch (error) {
      assert.instance(error, UsageError);
      assert.match((error as Error).message, why);
      assert.match((error as Error).message, /^x\.json is not a comparison that can be read: [^\n]+\.$/);
    }
  }
  const missing = await readComparisonFile('/nowhere/x.json', 'x.json').catch((error: unknown) => error);
  assert.match((missing as Error).message, /^There is no result file x\.json; name one/);
});

test('metrics have names of their own', () => {
  assert.is(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
});

test.run();

/**
 * The comparison compared with itself: one policy on both sides, in turn as ever. What is called significant then is called so by chance.
 * Next: summary.ts
 */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import type { RunRecord } from './comparison_file.ts';
import { type CompareOptions, type FailedRun, runCompare } from './run_compare.ts';
import { LEVEL } from './statistics.ts';
import { comparePair } from './summary.ts';

export interface SelfCheck {
  /** Pairs of a repetition and a scenario. */
  readonly pairs: number;
  /** Of all pairs. */
  readonly metrics: number;
  readonly significant: number;
  /** Names of those, with how often. */
  readonly which: ReadonlyMap<string, number>;
  /** No more than the level. */
  readonly within: boolean;
  readonly othersCores: number;
  readonly failed: FailedRun | undefined;
  readonly interrupted: boolean;
}

/** @throws UsageError for a bad option */
export async function selfCheck(options: CompareOptions, policy: FaultPolicy, repetitions: number): Promise<SelfCheck> {
  const which = new Map<string, number>();
  let [pairs, metrics, significant, othersCores] = [0, 0, 0, 0];
  let over: Pick<SelfCheck, 'failed' | 'interrupted'> = { failed: undefined, interrupted: false };
  for (let repetition = 0; repetition < repetitions && over.failed === undefined && !over.interrupted; repetition++) {
    // Runs of one policy are taken by turns for either side: A B A B.
    const runs = options.runs * 2;
    const seed = (options.seed + repetition * runs) >>> 0;
    const { onRun: _, ...rest } = options;
    const comparison = await runCompare({ ...rest, policies: [policy], runs, seed, timeline: false });
    over = comparison;
    othersCores = Math.max(othersCores, comparison.othersCores);
    if (comparison.failed !== undefined || comparison.interrupted) break;
    for (const { scenario, policies } of comparison.scenarios) {
      const { changes } = compareHalves(scenario, policy.name, policies[0]?.runs ?? [], seed);
      pairs++;
      metrics += changes.length;
      for (const { metric, significant: called } of changes) {
        if (!called) continue;
        significant++;
        which.set(metric.name, (which.get(metric.name) ?? 0) + 1);
      }
    }
  }
  return { pairs, metrics, significant, which, within: significant <= LEVEL * metrics, othersCores, ...pick(over) };
}

const pick = ({ failed, interrupted }: Pick<SelfCheck, 'failed' | 'interrupted'>): Pick<SelfCheck, 'failed' | 'interrupted'> => ({
  failed,
  interrupted,
});

/** Every other run against the rest. */
function compareHalves(scenario: string, policy: string, runs: readonly RunRecord[], seed: number): ReturnType<typeof comparePair> {
  const half = (odd: number): RunRecord[] => runs.filter((_, place) => place % 2 === odd);
  return comparePair({ scenario, before: policy, after: policy }, [half(0), half(1)], seed);
}

/** @returns lines, the verdict last */
export function selfCheckReport({ pairs, metrics, significant, which, within, failed, interrupted }: SelfCheck): string[] {
  const share = metrics === 0 ? 0 : (100 * significant) / metrics;
  const verdict = failed !== undefined ? 'FAILURE' : within ? 'SUCCESS' : 'FAILURE';
  const reason = failed === undefined ? '' : ` policy=${failed.result.policy} reason=${failed.result.verdict}`;
  return [
    `${significant} of ${metrics} comparisons of a metric with itself were called significant, in ${pairs} pairs: ${share.toFixed(2)} %; allowed are ${100 * LEVEL} %.`,
    ...[...which].map(([name, times]) => `  ${name}: ${times}`),
    '',
    `compare: ${verdict} self-check metrics=${metrics} significant=${significant} share=${share.toFixed(2)}%${reason}${interrupted ? ' interrupted=true' : ''}`,
  ];
}

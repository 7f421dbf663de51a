/**
 * A comparison as the file that is kept of it, for --json and for whoever draws it.
 * Next: comparison_file.ts
 */
import type { Environment } from '../environment.ts';
import { replayReport } from '../replay/replay_report.ts';
import { failureBlock } from '../report/failure_block.ts';
import { COMPARISON_SCHEMA, type ComparisonFile } from './comparison_file.ts';
import type { CompareOptions, Comparison } from './run_compare.ts';

/** What --json writes, and what a writer of HTML is given. */
export function comparisonFile(options: CompareOptions, comparison: Comparison, host: Environment): ComparisonFile {
  const { scenarios, policies, trace, runs, seconds: length, seed } = options;
  return {
    schema: COMPARISON_SCHEMA,
    kind: 'comparison',
    parameters: {
      policies: policies.map(({ name }) => name),
      scenarios: scenarios.map(({ name }) => name),
      trace: trace === undefined ? null : { file: trace.file, io: trace.io },
      cpus: comparison.cpus,
      runs,
      seconds: trace === undefined ? length : 0,
      seed,
    },
    environment: host,
    scenarios: comparison.scenarios,
    interrupted: comparison.interrupted,
    failed: comparison.failed === undefined ? null : failureOf(options, comparison),
    ...(comparison.timeline === undefined ? {} : { timeline: comparison.timeline }),
  };
}

/** What went wrong, and how to do it again. @returns lines */
export function failureOf({ cpus, seconds: length }: CompareOptions, { failed }: Comparison): string[] {
  if (failed === undefined) return [];
  if (failed.scenario === undefined) return replayReport(failed.result);
  const { scenario, result, seed } = failed;
  const again = `npx --yes pnpm@12 stress --scenario ${scenario.name} --policy ${result.policy} --cpus ${cpus} --seconds ${length} --seed ${seed}`;
  return failureBlock(result, again);
}

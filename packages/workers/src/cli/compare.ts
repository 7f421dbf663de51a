/**
 * `faultlab compare`: one scenario under several policies, side by side.
 * Next: ../compare/run_compare.ts
 */
import { randomInt } from 'node:crypto';
import { UsageError } from '@faultlab/core/base/errors';
import { CPUS_MAX } from '@faultlab/core/memory/limits';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES } from '@faultlab/core/policy/policies';
import { type CompareOptions, type Comparison, runCompare } from '../compare/run_compare.ts';
import { environment } from '../environment.ts';
import { defaultStressCpus } from '../machine_config.ts';
import { loadPolicy } from '../policy/load_policy.ts';
import { compareReport, hostLine } from '../report/compare_report.ts';
import { failureBlock } from '../report/failure_block.ts';
import { RESULT_SCHEMA } from '../run_result.ts';
import { scenarioByName } from '../scenarios/by_name.ts';
import {
  type CliCommand,
  type CliContext,
  EXIT_BAD,
  EXIT_GOOD,
  EXIT_INTERRUPTED,
  EXIT_STALL,
  integer,
  SEED_MAX,
  seconds,
  userPath,
} from './command.ts';
import { onInterrupt } from './interrupt.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface CompareFlags {
  readonly scenario: string;
  readonly policies: string;
  readonly runs: number;
  readonly seconds: number;
  readonly cpus: number;
  readonly seed: number | undefined;
  readonly json: string | undefined;
}

const POLICIES_DEFAULT = 'linux-6.18,retry-vma,hold';
const RUNS_DEFAULT = 5;
const RUNS_MAX = 100;
const SECONDS_DEFAULT = 2;
const SECONDS_MAX = 3600;

export const compareCommand: CliCommand = (program, context) => {
  program
    .command('compare')
    .summary('run one scenario under several policies and put the numbers side by side')
    .description(
      'Runs a scenario under each of the policies, in turn and several times, and prints medians: how often the lock was dropped for I/O, ' +
        'how many retries found their page gone, what the devices read for each page that was used, and how near they are to their speed.',
    )
    .option('--scenario <name>', 'a scenario (see faultlab list scenarios)', 'refault_thrash')
    .option('--policies <list>', 'names or modules, separated by commas, or "all" (see faultlab list policies)', POLICIES_DEFAULT)
    .option('--runs <n>', 'runs of each policy', integer('--runs', 1, RUNS_MAX), RUNS_DEFAULT)
    .option('--seconds <s>', 'how long each run takes', seconds('--seconds', SECONDS_MAX), SECONDS_DEFAULT)
    .option('--cpus <n>', 'CPUs, each of them a thread', integer('--cpus', 1, CPUS_MAX), defaultStressCpus())
    .option('--seed <n>', 'what everything is drawn from, the same in all runs (default: a new one)', integer('--seed', 0, SEED_MAX))
    .option('--json <file>', 'write what was measured as JSON, too')
    .addHelpText('after', EXAMPLES)
    .action((flags: CompareFlags) => compare(flags, context));
};

const EXAMPLES = `
Examples:
  faultlab compare                                  the thrash table: linux-6.18, retry-vma, hold
  faultlab compare --scenario working_set_far_beyond_memory --policies all --runs 3

Exit codes: 0 done, 1 something broke, 2 misuse, 3 no progress, 130 interrupted.`;

async function policiesOf(text: string): Promise<FaultPolicy[]> {
  if (text === 'all') return [...POLICIES];
  const names = text.split(',').map((name) => name.trim());
  if (names.includes(''))
    throw new UsageError(`--policies is "${text}", but it must be names separated by commas; see faultlab list policies.`);
  const policies: FaultPolicy[] = [];
  for (const name of new Set(names)) policies.push(await loadPolicy(name, userPath));
  return policies;
}

async function compare(flags: CompareFlags, context: CliContext): Promise<void> {
  const { runs, cpus, seconds: length } = flags;
  const scenario = scenarioByName(flags.scenario);
  const policies = await policiesOf(flags.policies);
  const { cpusMin = 1 } = scenario;
  if (cpus < cpusMin) throw new UsageError(`Scenario ${scenario.name} needs ${cpusMin} CPUs, but --cpus is ${cpus}; raise it.`);
  const json = flags.json === undefined ? undefined : userPath(flags.json);
  if (json !== undefined) await checkWritable(json);
  const seed = flags.seed ?? randomInt(2 ** 31);
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  const options: CompareOptions = { scenario, policies, runs, seconds: length, cpus, seed, signal: interrupt.signal };
  context.out.write(
    `compare: ${scenario.name}, ${cpus} CPUs, ${runs} runs of ${length} s under each of ${policies.length} policies, seed ${seed}\n`,
  );
  let comparison: Comparison;
  try {
    comparison = await runCompare(options);
  } finally {
    release();
  }
  const host = environment();
  context.out.write(`\n${hostLine(host, comparison.othersCores)}\n`);
  context.out.write(`\n${compareReport(comparison.policies).join('\n')}\n\n${endingOf(options, comparison).join('\n')}\n`);
  context.exit(exitCodeOf(comparison));
  if (json === undefined) return;
  const parameters = { scenario: scenario.name, policies: policies.map(({ name }) => name), runs, seconds: length, cpus, seed };
  await writeJson(json, { schema: RESULT_SCHEMA, kind: 'compare', parameters, environment: host, ...comparison });
}

/** What went wrong, if anything did, and the verdict. */
function endingOf({ scenario, cpus, runs, seconds: length, seed }: CompareOptions, { failed, interrupted }: Comparison): string[] {
  const fields = `scenario=${scenario.name} cpus=${cpus} runs=${runs} seconds=${length} seed=${seed}${interrupted ? ' interrupted=true' : ''}`;
  if (failed === undefined) return [`compare: SUCCESS ${fields}`];
  const again = `npx --yes pnpm@12 stress --scenario ${scenario.name} --policy ${failed.policy} --cpus ${cpus} --seconds ${length} --seed ${seed}`;
  return [...failureBlock(failed, again), '', `compare: FAILURE ${fields} policy=${failed.policy} reason=${failed.verdict}`];
}

function exitCodeOf({ failed, interrupted }: Comparison): number {
  if (failed !== undefined) return failed.verdict === 'stall' ? EXIT_STALL : EXIT_BAD;
  return interrupted ? EXIT_INTERRUPTED : EXIT_GOOD;
}

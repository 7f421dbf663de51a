/**
 * `faultlab explore`: many schedules of one scenario in lock-step, and a word that repeats the one that failed.
 * Next: ../lockstep/explore.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { environment } from '../environment.ts';
import { LOCKSTEP_CPUS_MAX } from '../lockstep/board.ts';
import { type ExploreResult, explore } from '../lockstep/explore.ts';
import type { ShownFailure } from '../lockstep/failure_block.ts';
import { STRATEGY_NAMES } from '../lockstep/strategy_plan.ts';
import { loadPolicy } from '../policy/load_policy.ts';
import { RESULT_SCHEMA } from '../run_result.ts';
import {
  type CliCommand,
  type CliContext,
  deepOnly,
  EXIT_BAD,
  EXIT_GOOD,
  EXIT_INTERRUPTED,
  INJECT_HELP,
  integer,
  POLICY_HELP,
  SEED_MAX,
  seconds,
  userPath,
} from './command.ts';
import { onInterrupt } from './interrupt.ts';
import { checkFailureFlags, type FailureFlags, failureOptions, reportFailedSchedule } from './lockstep_failure.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface ExploreFlags extends FailureFlags {
  readonly scenario: string;
  readonly strategy: string;
  readonly depth: number | undefined;
  readonly bound: number | undefined;
  readonly schedules: number;
  readonly seconds: number | undefined;
  readonly seed: number | undefined;
  readonly cpus: number;
  readonly ops: number;
  readonly policy: string;
  readonly mutant: string | undefined;
  readonly races: boolean;
  readonly verify: 'deep' | undefined;
  readonly inject: readonly string[];
  readonly all: boolean;
  readonly json: string | undefined;
}

const SCHEDULES_MAX = 100_000_000;
const OPS_MAX = 10_000;
const SECONDS_MAX = 7 * 24 * 3600;
const DEPTH_MAX = 24;

export const exploreCommand: CliCommand = (program, context) => {
  failureOptions(program.command('explore'))
    .summary('run many schedules of a scenario in lock-step, until one fails')
    .description(
      'Runs a scenario again and again from the same beginning, with one CPU moving at a time, in an order that a strategy draws. What fails is ' +
        'printed with a word that repeats it exactly. The last line is the verdict.',
    )
    .requiredOption('--scenario <name>', 'scenario (see faultlab list scenarios)')
    .option('--strategy <name>', `who moves next: ${STRATEGY_NAMES.join(', ')}`, 'pct')
    .option('--depth <d>', 'of pct: one more than the places at which a CPU falls behind (default: 3)', integer('--depth', 1, DEPTH_MAX))
    .option('--bound <n>', 'of dfs: most preemptions of a schedule (default: 2)', integer('--bound', 0, DEPTH_MAX))
    .option('--schedules <n>', 'at most so many', integer('--schedules', 1, SCHEDULES_MAX), 1000)
    .option('--seconds <s>', 'at most so long', seconds('--seconds', SECONDS_MAX))
    .option('--seed <n>', 'what everything is drawn from (default: a new one each time)', integer('--seed', 0, SEED_MAX))
    .option('--cpus <n>', 'CPUs with a program; devices come on top', integer('--cpus', 1, LOCKSTEP_CPUS_MAX - 1), 3)
    .option('--ops <n>', 'operations of each CPU', integer('--ops', 1, OPS_MAX), 6)
    .option('--policy <name>', POLICY_HELP, 'linux-6.18')
    .option('--mutant <id>', 'a real bug to have (see faultlab list mutants)')
    .option('--races', 'look for accesses that no lock orders, although nothing went wrong (slower)', false)
    .option('--verify <how>', "'deep': sweep also within schedules, whenever everybody is between two operations", deepOnly)
    .option('--inject <spec>', INJECT_HELP, (text: string, before: readonly string[]) => [...before, text], [])
    .option('--all', 'go on after a failure, and count them', false)
    .option('--json <file>', 'write the result as JSON, too; faultlab again takes it')
    .addHelpText('after', EXAMPLES)
    .action((flags: ExploreFlags) => run(flags, context));
};

const EXAMPLES = `
Examples:
  faultlab explore --scenario munmap_storm --schedules 500
  faultlab explore --scenario canary --strategy random --json failure.json
  faultlab again failure.json

Exit codes: 0 no schedule failed, 1 one did, 2 misuse, 130 interrupted.`;

async function run(flags: ExploreFlags, context: CliContext): Promise<void> {
  const { scenario, strategy, depth, bound, schedules, cpus, ops, mutant, races, all } = flags;
  if (flags.json !== undefined) await checkWritable(userPath(flags.json));
  await checkFailureFlags(flags);
  if (depth !== undefined && strategy !== 'pct') throw new UsageError(`--depth is for pct, and the strategy is ${strategy}; leave it out.`);
  if (bound !== undefined && strategy !== 'dfs') throw new UsageError(`--bound is for dfs, and the strategy is ${strategy}; leave it out.`);
  const policy = await loadPolicy(flags.policy, userPath);
  const seed = flags.seed ?? Math.floor(Math.random() * (SEED_MAX + 1));
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  let result: ExploreResult;
  let shown: ShownFailure | undefined;
  try {
    result = await explore({
      scenario,
      strategy,
      schedules,
      cpus,
      count: ops,
      policy,
      seed,
      all,
      ...(races ? { races } : {}),
      deep: flags.verify === 'deep',
      inject: flags.inject.join(','),
      signal: interrupt.signal,
      ...(depth === undefined ? {} : { depth }),
      ...(bound === undefined ? {} : { bound }),
      ...(mutant === undefined ? {} : { mutant }),
      ...(flags.seconds === undefined ? {} : { seconds: flags.seconds }),
    });
    const { first } = result;
    if (first !== undefined) shown = await reportFailedSchedule(first, flags, context, interrupt.signal);
  } finally {
    release();
  }
  if (result.covered !== '') context.out.write(`${result.covered}\n`);
  const rate = `${Math.round((result.schedules / Math.max(1, result.wallMs)) * 1000)}/s`;
  const planted = mutant === undefined ? '' : `, mutant ${mutant}`;
  context.out.write(
    `explore: ${result.schedules} schedules, ${result.failing} failing, ${rate}, ${result.steps} steps, scenario ${scenario}, ${cpus} CPUs, ${ops} ops, ` +
      `policy ${policy.name}, strategy ${strategy}, seed ${seed}${planted}\n`,
  );
  context.exit(result.failing > 0 ? EXIT_BAD : interrupt.signal.aborted ? EXIT_INTERRUPTED : EXIT_GOOD);
  if (flags.json === undefined) return;
  const parameters = { scenario, strategy, cpus, ops, policy: policy.name, seed, mutant: mutant ?? null };
  await writeJson(userPath(flags.json), {
    schema: RESULT_SCHEMA,
    kind: 'explore',
    environment: environment(),
    parameters,
    ...result,
    shrunk: shown?.before === undefined ? undefined : shown.failure,
  });
}

/**
 * `faultlab stress`: runs the scenarios and says whether the model held.
 * Next: stress/run_stress.ts, and soak.ts for a run of hours
 */
import { UsageError } from '@faultlab/core/base/errors';
import { CPUS_MAX } from '@faultlab/core/memory/limits';
import type { Command } from 'commander';
import { environment } from '../environment.ts';
import { checkFolder, exportFiles, writeFiles } from '../exports/write_exports.ts';
import { parseInject } from '../inject/parse_inject.ts';
import { HAND_OVER_SECONDS } from '../lockstep/hand_over.ts';
import { defaultStressCpus } from '../machine_config.ts';
import type { FailureContext } from '../report/failure_block.ts';
import { stressReport } from '../report/stress_report.ts';
import type { Scenario } from '../scenario.ts';
import { SCENARIOS, scenarioByName } from '../scenarios/by_name.ts';
import { StressProgress } from '../stress/progress.ts';
import { runStress, type StressOutcome } from '../stress/run_stress.ts';
import {
  type CliCommand,
  type CliContext,
  deepOnly,
  INJECT_HELP,
  integer,
  POLICY_HELP,
  SEED_MAX,
  STALL_HELP,
  seconds,
  stallMs,
  userPath,
} from './command.ts';
import { contextOfFailure } from './hand_over.ts';
import { onInterrupt } from './interrupt.ts';
import { checkFailureFlags, failureOptions } from './lockstep_failure.ts';
import { CHECKPOINT_SECONDS, RESULT_DEFAULT, soak } from './soak.ts';
import { exitCodeOf, parametersOf, runOfStress, type StressFlags, stressJson } from './stress_parameters.ts';
import { checkWritable, writeJson } from './write_json.ts';

const SECONDS_DEFAULT = 20;
const SECONDS_MAX = 7 * 24 * 3600;
const HOURS_MAX = 7 * 24;
const CHECKPOINT_MAX = 3600;

export const stressCommand: CliCommand = (program, context) => {
  failureOptions(program.command('stress'))
    .summary('run contention scenarios and look for anything that breaks')
    .description(
      'Runs scenarios of contending CPUs in turn, on real threads, and checks contents, results and invariants all the while. ' +
        'The last line is the verdict, with everything needed to run it again.',
    )
    .option('--policy <name>', POLICY_HELP, 'linux-6.18')
    .option('--arch <name>', 'architecture whose page-fault entry the CPUs have (see faultlab list architectures)', 'x86')
    .option(
      '--scenario <names>',
      'scenarios, separated by commas; may be given several times (default: all but the canary, and those that need more CPUs)',
      scenarioList,
    )
    .option('--cpus <n>', 'CPUs, each of them a thread', integer('--cpus', 1, CPUS_MAX), defaultStressCpus())
    .option('--seconds <s>', 'how long', seconds('--seconds', SECONDS_MAX), SECONDS_DEFAULT)
    .option('--seed <n>', 'what everything is drawn from (default: a new one each time)', integer('--seed', 0, SEED_MAX))
    .option(
      '--verify [deep]',
      "check more, at a lower speed; 'deep': in short slices, with all sweeps after each",
      (text): boolean | 'deep' => deepOnly(text),
      false as boolean | 'deep',
    )
    .option('--inject <spec>', INJECT_HELP, parseInject)
    .option('--stall-ms <n>', STALL_HELP, stallMs)
    .option('--json <file>', 'write the result as JSON, too')
    .option(
      '--export <folder>',
      'write the run for other tools, too: Perfetto trace, ftrace, lock_stat, vmstat, CSV, JSON (docs/EXPORTS.md)',
    )
    .option('--hours <h>', 'how long, instead of --seconds: a soak, which keeps its sums in a file', seconds('--hours', HOURS_MAX))
    .option('--result <file>', `the file in which a soak keeps its sums (default: ${RESULT_DEFAULT})`)
    .option('--resume <file>', 'go on with the soak that this file is of')
    .option(
      '--checkpoint <s>',
      `most seconds between two writes of that file (default: ${CHECKPOINT_SECONDS})`,
      seconds('--checkpoint', CHECKPOINT_MAX),
    )
    .option('--no-hunt', 'do not look for a failure in lock-step')
    .option('--hunt-seconds <s>', `how long to look (default: ${HAND_OVER_SECONDS})`, seconds('--hunt-seconds', SECONDS_MAX))
    .addHelpText('after', EXAMPLES)
    .action((flags: StressFlags, command: Command) => {
      const isGiven = (option: keyof StressFlags): boolean => command.getOptionValueSource(option) === 'cli';
      return flags.hours === undefined && flags.resume === undefined ? stress(flags, context) : soak(flags, isGiven, context);
    });
};

const EXAMPLES = `
Examples:
  faultlab stress --seconds 5
  faultlab stress --scenario munmap_storm,fork_cow --cpus 8 --policy linux-6.4
  faultlab stress --inject io_error:rate=1%,signal --scenario cold_readers
  faultlab stress --scenario canary        it is wrong on purpose, and has to fail
  faultlab stress --scenario io_convoy_file --export out    open out/trace.json at https://ui.perfetto.dev
  faultlab stress --hours 2 --result night.json
  faultlab stress --resume night.json      after a kill, an interrupt or a power cut

Exit codes: 0 nothing broke, 1 something broke, 2 misuse, 3 no progress, 130 interrupted.`;

function scenarioList(text: string, before: readonly Scenario[] = []): Scenario[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes(''))
    throw new UsageError(`--scenario is "${text}", but it must be names separated by commas; see faultlab list scenarios.`);
  const added = names.flatMap((name) => (name === 'all' ? SCENARIOS : [scenarioByName(name)]));
  return [...new Set([...before, ...added])];
}

async function stress(flags: StressFlags, context: CliContext): Promise<void> {
  for (const option of ['result', 'checkpoint'] as const) {
    if (flags[option] !== undefined)
      throw new UsageError(`--${option} is for a run with --hours, and this one has none; add --hours, or leave it out.`);
  }
  const { parameters, policy } = await parametersOf(flags);
  const host = environment();
  const names = parameters.scenarios.map((scenario) => scenario.name).join(', ');
  if (flags.json !== undefined) await checkWritable(userPath(flags.json));
  if (flags.export !== undefined) await checkFolder(userPath(flags.export));
  await checkFailureFlags(flags);
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  context.out.write(`stress: ${parameters.cpus} CPUs, ${parameters.policy}, ${parameters.seconds} s, seed ${parameters.seed}: ${names}\n`);
  const progress = new StressProgress(context.errors, parameters.seconds);
  let outcome: StressOutcome;
  let failure: FailureContext = {};
  try {
    outcome = await runStress({
      ...parameters,
      policy,
      keepTrace: flags.export !== undefined,
      signal: interrupt.signal,
      onSlice: ({ scenario, machine }) => progress.slice(scenario, machine),
      onSliceEnd: (result) => progress.violations(result.violations.length),
    });
    progress.end();
    const { failed } = outcome;
    if (failed !== undefined) failure = await contextOfFailure(failed, parameters, policy, flags, context, interrupt.signal);
  } finally {
    progress.end();
    release();
  }
  context.out.write(`${stressReport(parameters, outcome, host, [], failure).join('\n')}\n`);
  context.exit(exitCodeOf(outcome));
  if (flags.json !== undefined) await writeJson(userPath(flags.json), stressJson(parameters, outcome, host));
  const run = runOfStress(outcome);
  if (flags.export !== undefined && run !== undefined) {
    await writeFiles(userPath(flags.export), exportFiles(run, scenarioOf(outcome)));
  }
}

/** A run of several scenarios is none's. */
const scenarioOf = ({ totals }: StressOutcome): string | null =>
  totals.scenarios.length === 1 ? (totals.scenarios[0]?.name ?? null) : null;

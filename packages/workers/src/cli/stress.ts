/**
 * `faultlab stress`: runs the scenarios and says whether the model held.
 * Next: stress/run_stress.ts
 */
import { randomInt } from 'node:crypto';
import { UsageError } from '@faultlab/core/base/errors';
import { CPUS_MAX } from '@faultlab/core/memory/limits';
import { archByName } from '@faultlab/core/policy/arch_entries';
import { environment } from '../environment.ts';
import { defaultStressCpus } from '../machine_config.ts';
import { loadPolicy } from '../policy/load_policy.ts';
import { stressReport } from '../report/stress_report.ts';
import { RESULT_SCHEMA } from '../run_result.ts';
import type { Scenario } from '../scenario.ts';
import { SCENARIOS, STRESS_MIX, scenarioByName } from '../scenarios/by_name.ts';
import { StressProgress } from '../stress/progress.ts';
import { runStress, type StressOutcome } from '../stress/run_stress.ts';
import { faultsOf } from '../stress/stress_totals.ts';
import {
  type CliCommand,
  type CliContext,
  EXIT_BAD,
  EXIT_GOOD,
  EXIT_INTERRUPTED,
  EXIT_STALL,
  integer,
  POLICY_HELP,
  seconds,
  userPath,
} from './command.ts';
import { checkFolder, writeJson } from './write_json.ts';

interface StressFlags {
  readonly policy: string;
  readonly arch: string;
  readonly scenario: readonly Scenario[] | undefined;
  readonly cpus: number;
  readonly seconds: number;
  readonly seed: number | undefined;
  readonly verify: boolean;
  readonly json: string | undefined;
}

const SECONDS_DEFAULT = 20;
const SECONDS_MAX = 7 * 24 * 3600;
const SEED_MAX = 0xffff_ffff;

export const stressCommand: CliCommand = (program, context) => {
  program
    .command('stress')
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
    .option('--verify', 'check more, at a lower speed', false)
    .option('--json <file>', 'write the result as JSON, too')
    .addHelpText('after', EXAMPLES)
    .action((flags: StressFlags) => stress(flags, context));
};

const EXAMPLES = `
Examples:
  faultlab stress --seconds 5
  faultlab stress --scenario munmap_storm,fork_cow --cpus 8 --policy linux-6.4
  faultlab stress --scenario canary        it is wrong on purpose, and has to fail

Exit codes: 0 nothing broke, 1 something broke, 2 misuse, 3 no progress, 130 interrupted.`;

function scenarioList(text: string, before: readonly Scenario[] = []): Scenario[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes(''))
    throw new UsageError(`--scenario is "${text}", but it must be names separated by commas; see faultlab list scenarios.`);
  const added = names.flatMap((name) => (name === 'all' ? SCENARIOS : [scenarioByName(name)]));
  return [...new Set([...before, ...added])];
}

async function stress(flags: StressFlags, context: CliContext): Promise<void> {
  const policy = await loadPolicy(flags.policy, userPath);
  const parameters = {
    policy: flags.policy,
    arch: archByName(flags.arch).name,
    scenarios: flags.scenario ?? STRESS_MIX.filter(({ cpusMin = 1 }) => cpusMin <= flags.cpus),
    cpus: flags.cpus,
    seconds: flags.seconds,
    seed: flags.seed ?? randomInt(2 ** 31),
    verify: flags.verify,
  };
  const host = environment();
  const names = parameters.scenarios.map((scenario) => scenario.name).join(', ');
  if (flags.json !== undefined) await checkFolder(userPath(flags.json));
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  context.out.write(`stress: ${parameters.cpus} CPUs, ${parameters.policy}, ${parameters.seconds} s, seed ${parameters.seed}: ${names}\n`);
  const progress = new StressProgress(context.errors, parameters.seconds);
  let outcome: StressOutcome;
  try {
    outcome = await runStress({
      ...parameters,
      policy,
      signal: interrupt.signal,
      onSlice: ({ scenario, machine }) => progress.slice(scenario, machine),
      onSliceEnd: (result) => progress.violations(result.violations.length),
    });
  } finally {
    progress.end();
    release();
  }
  if (flags.json !== undefined) await writeJson(userPath(flags.json), jsonOf(parameters, outcome, host));
  context.out.write(`${stressReport(parameters, outcome, host).join('\n')}\n`);
  context.exit(exitCodeOf(outcome));
}

/** The first interrupt ends the run cleanly, with its summary; the second one ends the process. @returns what undoes it */
function onInterrupt(controller: AbortController): () => void {
  const interrupted = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort();
  };
  process.on('SIGINT', interrupted);
  return () => process.off('SIGINT', interrupted);
}

function exitCodeOf({ failed, interrupted }: StressOutcome): number {
  if (failed !== undefined) return failed.verdict === 'stall' ? EXIT_STALL : EXIT_BAD;
  return interrupted ? EXIT_INTERRUPTED : EXIT_GOOD;
}

function jsonOf(
  parameters: { readonly scenarios: readonly Scenario[] } & Record<string, unknown>,
  { totals, failed, interrupted, elapsedMs, othersCores }: StressOutcome,
  host: ReturnType<typeof environment>,
): unknown {
  return {
    schema: RESULT_SCHEMA,
    kind: 'stress',
    verdict: failed?.verdict ?? 'success',
    interrupted,
    parameters: { ...parameters, scenarios: parameters.scenarios.map((scenario) => scenario.name) },
    environment: host,
    elapsedMs,
    othersCores,
    wallMs: totals.wallMs,
    cpuMs: totals.cpuMs,
    faults: faultsOf(totals.counters),
    opsByCpu: totals.opsByCpu,
    fairness: totals.fairness,
    scenarios: totals.scenarios,
    counters: totals.counters,
    outcomes: totals.outcomes,
    latency: totals.latency.summaries(),
    locks: totals.locks,
    failed,
  };
}

/**
 * `faultlab compare`: scenarios, or a recorded program, under several policies, side by side.
 * Next: ../compare/run_compare.ts, self_check.ts
 */
import { randomInt } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import { CPUS_MAX } from '@faultlab/core/memory/limits';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES } from '@faultlab/core/policy/policies';
import { comparisonFile, failureOf } from '../compare/comparison_of.ts';
import { DEFAULT_POLICIES, DEFAULT_SCENARIOS } from '../compare/default_set.ts';
import { type CompareOptions, type Comparison, type ReplayedTrace, runCompare } from '../compare/run_compare.ts';
import { selfCheck, selfCheckReport } from '../compare/self_check.ts';
import { readLatency } from '../device/device_options.ts';
import { environment } from '../environment.ts';
import { defaultStressCpus } from '../machine_config.ts';
import { loadTimeline } from '../perf_script/build_timeline.ts';
import { loadPolicy } from '../policy/load_policy.ts';
import { compareReport, hostLine } from '../report/compare_report.ts';
import type { Scenario } from '../scenario.ts';
import { SCENARIOS, scenarioByName } from '../scenarios/by_name.ts';
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
  readonly scenario: readonly string[] | undefined;
  readonly policies: string;
  readonly runs: number;
  readonly seconds: number;
  readonly cpus: number;
  readonly seed: number | undefined;
  readonly trace: string | undefined;
  readonly io: string | undefined;
  readonly allMetrics: boolean;
  readonly selfCheck: number | undefined;
  readonly json: string | undefined;
  readonly html: string | undefined;
}

const RUNS_DEFAULT = 8;
const RUNS_MAX = 1000;
const SECONDS_DEFAULT = 0.5;
const SECONDS_MAX = 3600;
const CHECKS_MAX = 1000;
/** How long a request takes under a replayed trace when nobody says: slow enough that locks held over it are felt. */
const TRACE_IO = 'lognormal:300us,sigma=0.6,tail=1%:5ms';

export const compareCommand: CliCommand = (program, context) => {
  program
    .command('compare')
    .summary('run scenarios or a recorded program under several policies and put the numbers side by side')
    .description(
      'Runs scenarios under each of the policies, in turn and several times, and compares every policy with the first: faults, locks, waits, writers, ' +
        'retries, devices and forks, each with its change, an interval and a rank test (docs/COMPARE.md).',
    )
    .option(
      '--scenario <names>',
      `scenarios, separated by commas; may be given several times (default: ${DEFAULT_SCENARIOS.join(',')})`,
      nameList,
    )
    .option('--policies <list>', 'names or modules, separated by commas, the baseline first, or "all"', DEFAULT_POLICIES)
    .option('--runs <n>', 'runs of each policy in each scenario', integer('--runs', 1, RUNS_MAX), RUNS_DEFAULT)
    .option('--seconds <s>', 'how long each run takes', seconds('--seconds', SECONDS_MAX), SECONDS_DEFAULT)
    .option('--cpus <n>', 'CPUs, each of them a thread', integer('--cpus', 1, CPUS_MAX), defaultStressCpus())
    .option('--seed <n>', 'what everything is drawn from, one more for each run (default: a new one)', integer('--seed', 0, SEED_MAX))
    .option('--trace <file>', 'replay this trace (text of perf script) instead of scenarios, with nothing of its files in memory')
    .option('--io <model>', `how long a request of the device takes under --trace (default: ${TRACE_IO})`)
    .option('--all-metrics', 'print every metric, not only those that matter most or have changed', false)
    .option(
      '--self-check <n>',
      'compare the first policy n times with itself instead, and say how often that is significant',
      integer('--self-check', 1, CHECKS_MAX),
    )
    .option('--json <file>', 'write every run as JSON, too')
    .option('--html <file>', 'write a report for people as one HTML file, too (see faultlab report)')
    .addHelpText('after', EXAMPLES)
    .action((flags: CompareFlags) => compare(flags, context));
};

const EXAMPLES = `
Examples:
  faultlab compare                                  the default scenarios: linux-6.18, retry-vma, hold
  faultlab compare --scenario refault_thrash --policies linux-6.18,retry-vma,hold,reacquire
  faultlab compare --trace app.txt.gz --io fixed:1ms --policies linux-6.18,retry-vma
  faultlab compare --self-check 20 --scenario cold_readers

Exit codes: 0 done, 1 something broke, 2 misuse, 3 no progress, 130 interrupted.`;

const nameList = (text: string, before: readonly string[] = []): string[] => [...before, ...text.split(',').map((name) => name.trim())];

function scenariosOf(names: readonly string[] | undefined, cpus: number): Scenario[] {
  if (names?.includes('') === true)
    throw new UsageError('--scenario has an empty name, but it must be names separated by commas; see faultlab list scenarios.');
  const named = names?.flatMap((name) =>
    name === 'all' ? SCENARIOS.filter(({ mustFail }) => mustFail === undefined) : [scenarioByName(name)],
  );
  const scenarios = [...new Set(named ?? DEFAULT_SCENARIOS.map(scenarioByName))];
  for (const { name, cpusMin = 1 } of scenarios) {
    if (cpus < cpusMin) throw new UsageError(`Scenario ${name} needs ${cpusMin} CPUs, but --cpus is ${cpus}; raise it.`);
  }
  return scenarios;
}

async function policiesOf(text: string): Promise<FaultPolicy[]> {
  if (text === 'all') return [...POLICIES];
  const names = text.split(',').map((name) => name.trim());
  if (names.includes(''))
    throw new UsageError(`--policies is "${text}", but it must be names separated by commas; see faultlab list policies.`);
  const policies: FaultPolicy[] = [];
  for (const name of new Set(names)) policies.push(await loadPolicy(name, userPath));
  return policies;
}

/** Reads the trace once for all runs. */
async function traceOf({ trace, io, scenario, selfCheck: checks }: CompareFlags): Promise<ReplayedTrace | undefined> {
  if (trace === undefined) {
    if (io !== undefined) throw new UsageError('--io is for the device of a trace, and there is none; add --trace, or leave it out.');
    return undefined;
  }
  if (scenario !== undefined) throw new UsageError('--trace and --scenario exclude each other; leave one of them out.');
  if (checks !== undefined) throw new UsageError('--self-check is for scenarios; leave out --trace.');
  readLatency(io ?? TRACE_IO);
  return { file: trace, timeline: await loadTimeline(userPath(trace), trace), io: io ?? TRACE_IO };
}

async function compare(flags: CompareFlags, context: CliContext): Promise<void> {
  const { runs, cpus, seconds: length } = flags;
  const policies = await policiesOf(flags.policies);
  const trace = await traceOf(flags);
  const scenarios = trace === undefined ? scenariosOf(flags.scenario, cpus) : [];
  const json = flags.json === undefined ? undefined : userPath(flags.json);
  const html = flags.html === undefined ? undefined : userPath(flags.html);
  for (const file of [json, html]) if (file !== undefined) await checkWritable(file);
  const seed = flags.seed ?? randomInt(2 ** 31);
  const interrupt = new AbortController();
  const options: CompareOptions = {
    scenarios,
    policies,
    runs,
    seconds: length,
    cpus,
    seed,
    timeline: json !== undefined || html !== undefined,
    signal: interrupt.signal,
    ...(trace === undefined ? {} : { trace }),
    ...progressOn(context, trace === undefined ? scenarios.length : 1, policies.length, runs),
  };
  const release = onInterrupt(interrupt);
  try {
    if (flags.selfCheck === undefined) await report(options, flags, { json, html }, context);
    else await checkSelf(options, flags.selfCheck, context);
  } finally {
    release();
  }
}

/** A line every few runs on a terminal's error stream; nothing elsewhere. */
function progressOn({ errors }: CliContext, scenarios: number, policies: number, runs: number): Pick<CompareOptions, 'onRun'> {
  if (errors.isTTY !== true) return {};
  const all = scenarios * policies * runs;
  let done = 0;
  return {
    onRun: (policy, run, scenario) => {
      errors.write(`\r\x1b[Kcompare: run ${++done} of ${all}: ${scenario}, ${policy}, ${run + 1} of ${runs}`);
      if (done === all) errors.write('\r\x1b[K');
    },
  };
}

/** Files that are written at the end. */
interface Written {
  readonly json: string | undefined;
  readonly html: string | undefined;
}

async function report(options: CompareOptions, flags: CompareFlags, { json, html }: Written, context: CliContext): Promise<void> {
  const { cpus, runs, seconds: length, seed, policies } = options;
  const what =
    options.trace === undefined
      ? `${namesOf(options)}, ${cpus} CPUs, ${runs} runs of ${length} s`
      : `${namesOf(options)}, ${runs} cold replays with ${options.trace.io}`;
  context.out.write(`compare: ${what} under each of ${policies.length} policies, seed ${seed}\n`);
  const comparison = await runCompare(options);
  const host = environment();
  const { scenarios, measured, othersCores, differing } = comparison;
  context.out.write(`\n${hostLine(host, othersCores)}\n`);
  context.out.write(`\n${compareReport(scenarios, measured, { cpus: comparison.cpus, seed, all: flags.allMetrics }).join('\n')}\n`);
  if (differing > 0) context.out.write(`\n${differing} replays were not everywhere as recorded; faultlab replay --cold says where.\n`);
  context.out.write(`\n${endingOf(options, comparison).join('\n')}\n`);
  context.exit(exitCodeOf(comparison));
  const file = comparisonFile(options, comparison, host);
  if (json !== undefined) await writeJson(json, file);
  if (html === undefined) return;
  const { writeComparisonReport } = await import('../html_report/write_report.ts');
  await writeComparisonReport(dirname(html), basename(html), file);
}

async function checkSelf(options: CompareOptions, repetitions: number, context: CliContext): Promise<void> {
  const { cpus, runs, seconds: length, seed } = options;
  const [policy] = options.policies as [FaultPolicy];
  const head = `${namesOf(options)}, ${policy.name} against itself, ${repetitions} times, ${cpus} CPUs, ${runs} runs of ${length} s a side, seed ${seed}`;
  context.out.write(`compare: ${head}\n`);
  const outcome = await selfCheck(options, policy, repetitions);
  context.out.write(`\n${hostLine(environment(), outcome.othersCores)}\n\n${selfCheckReport(outcome).join('\n')}\n`);
  context.exit(outcome.failed !== undefined ? EXIT_BAD : outcome.interrupted ? EXIT_INTERRUPTED : outcome.within ? EXIT_GOOD : EXIT_BAD);
}

const namesOf = ({ scenarios, trace }: CompareOptions): string => trace?.file ?? scenarios.map(({ name }) => name).join(',');

/** What went wrong, if anything did, and the verdict. */
function endingOf(options: CompareOptions, comparison: Comparison): string[] {
  const { cpus, runs, seconds: length, seed, trace } = options;
  const { failed, interrupted } = comparison;
  const which =
    trace === undefined ? `scenario=${namesOf(options)} cpus=${cpus} runs=${runs} seconds=${length}` : `trace=${trace.file} runs=${runs}`;
  const fields = `${which} seed=${seed}${interrupted ? ' interrupted=true' : ''}`;
  if (failed === undefined) return [`compare: SUCCESS ${fields}`];
  return [
    ...failureOf(options, comparison),
    '',
    `compare: FAILURE ${fields} policy=${failed.result.policy} reason=${failed.result.verdict}`,
  ];
}

function exitCodeOf({ failed, interrupted }: Comparison): number {
  if (failed !== undefined) return failed.result.verdict === 'stall' ? EXIT_STALL : EXIT_BAD;
  return interrupted ? EXIT_INTERRUPTED : EXIT_GOOD;
}

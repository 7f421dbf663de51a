/**
 * `faultlab stress --hours` and `--resume`: a soak, which keeps its sums in a file.
 * Next: ../soak/soak_run.ts
 */
import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { environment } from '../environment.ts';
import { type Injection, injectText } from '../inject/injections.ts';
import { parseInject } from '../inject/parse_inject.ts';
import type { FailureContext } from '../report/failure_block.ts';
import { failureLines, stressReport } from '../report/stress_report.ts';
import { scenarioByName } from '../scenarios/by_name.ts';
import { memoryLine } from '../soak/memory_log.ts';
import { readSoakFile, type SoakFile, type SoakParameters } from '../soak/soak_file.ts';
import { takeSoakLock } from '../soak/soak_lock.ts';
import { clock } from '../soak/soak_report.ts';
import { runSoak, type SoakOutcome } from '../soak/soak_run.ts';
import { restoredTotals } from '../soak/soak_totals.ts';
import type { StressOutcome } from '../stress/run_stress.ts';
import { type CliContext, userPath } from './command.ts';
import { contextOfFailure } from './hand_over.ts';
import { onInterrupt } from './interrupt.ts';
import { checkFailureFlags } from './lockstep_failure.ts';
import { exitCodeOf, parametersOf, type StressFlags, type StressParameters, stressJson } from './stress_parameters.ts';
import { checkWritable, writeJson } from './write_json.ts';

export const RESULT_DEFAULT = 'faultlab-soak.json';
export const CHECKPOINT_SECONDS = 60;
/** Of so many hours, to the millisecond. */
const secondsOf = (hours: number): number => Math.round(hours * 3_600_000) / 1000;

/** Was this option on the command line, or is it a default? */
type IsGiven = (option: keyof StressFlags) => boolean;

/** A run that is about to begin or to go on. */
interface Plan {
  /** The file of its sums, as the user calls it. */
  readonly file: string;
  readonly earlier: SoakFile | undefined;
  readonly parameters: StressParameters;
  readonly policy: FaultPolicy;
}

/** @throws UsageError for options that contradict each other or the file, and for a file that cannot be read or written */
export async function soak(flags: StressFlags, isGiven: IsGiven, context: CliContext): Promise<void> {
  const plan = await planOf(flags, isGiven);
  const { earlier, file } = plan;
  await checkWritable(userPath(file));
  if (flags.export !== undefined) {
    throw new UsageError('--export is for a run without --hours, whose events are those of its end; leave it out, or run without --hours.');
  }
  if (flags.json !== undefined) await checkWritable(userPath(flags.json));
  await checkFailureFlags(flags);
  if (earlier?.state === 'finished') {
    context.out.write(`${firstLine(plan)}\n`);
    await report(flags, plan, { outcome: outcomeOf(earlier), memory: earlier.memory, unwritten: undefined }, context, {});
    return;
  }
  const unlock = await takeSoakLock(userPath(file), file);
  try {
    // Whoever had the lock until now may have changed the file.
    await work(flags, await planOf(flags, isGiven), context);
  } finally {
    await unlock();
  }
}

const planOf = (flags: StressFlags, isGiven: IsGiven): Promise<Plan> =>
  flags.resume === undefined ? planNew(flags, isGiven) : planResume(flags, flags.resume, isGiven);

/** The file is this process's own. */
async function work(flags: StressFlags, plan: Plan, context: CliContext): Promise<void> {
  const { parameters, policy, earlier, file } = plan;
  const path = userPath(file);
  const host = environment();
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  context.out.write(`${firstLine(plan)}\n`);
  try {
    const ended = await runSoak({
      ...parameters,
      parameters: keptParameters(plan),
      earlier,
      environment: host,
      checkpointMs: (flags.checkpoint ?? CHECKPOINT_SECONDS) * 1000,
      signal: interrupt.signal,
      // Always the same name: what a kill leaves of it, the next write takes.
      write: (sums) => writeJson(path, sums, `${path}.part`),
      line: (text) => {
        context.errors.write(`${text}\n`);
      },
      failureLines: (failed) => failureLines(parameters, failed),
    });
    const { failed } = ended.outcome;
    const failure = failed === undefined ? {} : await contextOfFailure(failed, parameters, policy, flags, context, interrupt.signal);
    await report(flags, plan, ended, context, failure);
  } finally {
    release();
  }
}

async function report(
  flags: StressFlags,
  { parameters, file }: Plan,
  ended: SoakOutcome,
  context: CliContext,
  failure: FailureContext,
): Promise<void> {
  const { outcome, memory, unwritten } = ended;
  const host = environment();
  context.out.write(
    `${stressReport(parameters, outcome, host, ['', memoryLine(memory), `The sums are in ${file}.`], failure).join('\n')}\n`,
  );
  context.exit(exitCodeOf(outcome));
  if (flags.json !== undefined) await writeJson(userPath(flags.json), stressJson(parameters, outcome, host));
  if (unwritten !== undefined) throw unwritten;
}

/** Of a run that has nothing left to do. */
function outcomeOf({ totals, slices, elapsedMs }: SoakFile): StressOutcome {
  return { totals: restoredTotals(totals), slices, elapsedMs, failed: undefined, interrupted: false, lastSlice: undefined, othersCores: 0 };
}

async function planNew(flags: StressFlags, isGiven: IsGiven): Promise<Plan> {
  if (isGiven('seconds')) throw new UsageError('--seconds and --hours both say how long the run is; give one of them.');
  const { result = RESULT_DEFAULT, hours = 0 } = flags;
  const { parameters, policy } = await parametersOf({ ...flags, seconds: secondsOf(hours) });
  if (
    await stat(userPath(result))
      .then((found) => found.isFile())
      .catch(() => false)
  ) {
    throw new UsageError(
      `The file ${result} is there already, and a new run would replace it; go on with it (--resume ${result}), move it away, or name another one (--result).`,
    );
  }
  return { file: result, earlier: undefined, parameters, policy };
}

async function planResume(flags: StressFlags, file: string, isGiven: IsGiven): Promise<Plan> {
  if (isGiven('result'))
    throw new UsageError('--resume goes on with its own file, so there is nothing for --result to name; leave --result out.');
  if (isGiven('seconds')) throw new UsageError('--resume knows from its file how long the run is; leave --seconds out.');
  const earlier = await readSoakFile(userPath(file), file);
  const { failed, parameters: kept } = earlier;
  if (failed !== null) {
    throw new UsageError(
      `${file} is of a run that ended with a ${failed.verdict} in ${failed.scenario}, so it cannot go on; look at its field "failed", and start a new run.`,
    );
  }
  checkSame(flags, file, kept, isGiven);
  const { parameters, policy } = await parametersOf({
    ...flags,
    ...kept,
    scenario: kept.scenarios.map((name) => scenarioByName(name)),
    inject: injectionsOf(kept),
  });
  if (!isDeepStrictEqual({ ...policy }, { ...kept.policyRecord })) {
    throw new UsageError(`The policy ${kept.policy} is not what it was when the run of ${file} began; restore it, or start a new run.`);
  }
  return { file, earlier, parameters, policy };
}

/** Whatever was given besides the file has to say what the file says. */
function checkSame(flags: StressFlags, file: string, kept: SoakParameters, isGiven: IsGiven): void {
  const pairs: readonly (readonly [option: keyof StressFlags, given: unknown, kept: unknown])[] = [
    ['policy', flags.policy, kept.policy],
    ['arch', flags.arch, kept.arch],
    ['scenario', flags.scenario?.map(({ name }) => name).join(','), kept.scenarios.join(',')],
    ['cpus', flags.cpus, kept.cpus],
    ['seed', flags.seed, kept.seed],
    ['verify', flags.verify, kept.deep === true ? 'deep' : kept.verify],
    ['stallMs', flags.stallMs, kept.stallMs],
    ['inject', flags.inject === undefined ? undefined : injectText(flags.inject), kept.inject ?? ''],
    ['hours', flags.hours === undefined ? undefined : secondsOf(flags.hours), kept.seconds],
  ];
  const other = pairs.find(([option, given, before]) => isGiven(option) && given !== before);
  if (other === undefined) return;
  const [option, given, before] = other;
  const name = option === 'stallMs' ? 'stall-ms' : option;
  const unit = option === 'hours' ? ' (in seconds)' : '';
  const kind =
    before === undefined || before === '' ? `without --${name}` : `with --${name}${unit} ${String(before)}, not ${String(given)}`;
  throw new UsageError(`${file} is of a run ${kind}; leave --${name} out, or start a new run (--hours).`);
}

function keptParameters({ parameters, policy }: Plan): SoakParameters {
  const { inject, scenarios, ...rest } = parameters;
  const spec = inject.length === 0 ? {} : { inject: injectText(inject) };
  return { ...rest, ...spec, policyRecord: policy, scenarios: scenarios.map(({ name }) => name) };
}

/** What a run was injected with. @throws UsageError when the file has a specification that this version does not know */
const injectionsOf = ({ inject }: SoakParameters): Injection[] => (inject === undefined ? [] : parseInject(inject));

function firstLine({ parameters, earlier, file }: Plan): string {
  const { cpus, policy, seconds, seed, scenarios } = parameters;
  const names = scenarios.map(({ name }) => name).join(', ');
  const done = earlier === undefined ? '' : ` after ${clock(earlier.elapsedMs / 1000)} of it,`;
  return `stress: ${cpus} CPUs, ${policy}, ${clock(seconds)} (sums in ${file}),${done} seed ${seed}: ${names}`;
}

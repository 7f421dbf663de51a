/**
 * What a stress run does about its failure before it prints it: looks for it in lock-step, shrinks what it finds, and writes the folder.
 * Next: ../lockstep/hand_over.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { injectText } from '../inject/injections.ts';
import { HAND_OVER_SECONDS, type HandOver, handOver, notFoundLine } from '../lockstep/hand_over.ts';
import { type FailureContext, FREE_RUNNING } from '../report/failure_block.ts';
import { writeFailureFolder } from '../report/failure_folder.ts';
import { laneTrace } from '../report/lane_trace.ts';
import { failureLines } from '../report/stress_report.ts';
import type { ScenarioResult } from '../run_scenario.ts';
import { scenarioByName } from '../scenarios/by_name.ts';
import { type CliContext, userPath } from './command.ts';
import type { HuntFlags } from './hunt_flags.ts';
import { shownFailure } from './lockstep_failure.ts';
import type { StressParameters } from './stress_parameters.ts';

/** @returns what the block of the failure says beyond the run itself */
export async function contextOfFailure(
  failed: ScenarioResult,
  parameters: StressParameters,
  policy: FaultPolicy,
  flags: HuntFlags,
  context: CliContext,
  signal: AbortSignal,
): Promise<FailureContext> {
  const found = await exactReplay(failed, parameters, policy, flags, context, signal);
  if (flags.dir === false) return found.context;
  const path = userPath(flags.dir ?? `faultlab-failure-${failed.scenario}-seed${failed.seed}`);
  const { scenarios: _, inject, ...told } = parameters;
  const folder = await writeFailureFolder(path, flags.dir !== undefined, {
    params: { kind: 'run', parameters: { ...told, scenario: failed.scenario, seed: failed.seed, inject } },
    result: failed,
    block: failureLines(parameters, failed, found.context),
    ...(found.again === undefined ? {} : { again: found.again }),
  });
  return { ...found.context, folder };
}

async function exactReplay(
  failed: ScenarioResult,
  { arch, cpus, verify, inject }: StressParameters,
  policy: FaultPolicy,
  flags: HuntFlags,
  context: CliContext,
  signal: AbortSignal,
): Promise<{ readonly context: FailureContext; readonly again?: string }> {
  const not = (why: string): { readonly context: FailureContext } => ({ context: { notes: [FREE_RUNNING, why] } });
  if (!flags.hunt) return not('It was not looked for in lock-step (--no-hunt).');
  if (failed.verdict === 'death') return not('It was not looked for in lock-step: a thread was lost, which is not of the model.');
  if (signal.aborted) return not('It was not looked for in lock-step: the run was interrupted.');
  const seconds = flags.huntSeconds ?? HAND_OVER_SECONDS;
  context.errors.write(`stress: ${failed.scenario} failed; looking for it in lock-step for at most ${seconds} s\n`);
  const broken = failed.violations[0]?.id ?? 'stall';
  const { scenario, seed } = { scenario: scenarioByName(failed.scenario), seed: failed.seed };
  let result: HandOver;
  try {
    result = await handOver({ scenario, policy, arch, cpus, seed, verify, broken, seconds, signal, inject: injectText(inject) });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return not(`It was not looked for in lock-step: ${error.message}`);
  }
  const { found } = result;
  if (found?.again === undefined) return not(found === undefined ? notFoundLine(result) : NAMELESS);
  const { failure, lanes = [], evidence } = await shownFailure(found, flags.shrink, context, signal);
  const again = failure.again ?? found.again;
  const schedules = `${result.schedules} schedule${result.schedules === 1 ? '' : 's'}, ${result.seconds.toFixed(1)} s`;
  return {
    again,
    context: {
      lanes: ['The same rule, broken in lock-step:', ...laneTrace(lanes, failure.findings[0], evidence?.cpuTitles)],
      notes: [FREE_RUNNING, `In lock-step the same rule broke (after ${schedules}); this repeats it exactly:`, `  faultlab again ${again}`],
    },
  };
}

const NAMELESS = 'In lock-step the same rule broke, but a policy from a file has no name that a line could repeat it by.';

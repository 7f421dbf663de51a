/**
 * A schedule that failed, in the one form that all failures are printed in.
 * Next: ../report/failure_block.ts
 */
import { brokenText, failureBlock, fieldsText } from '../report/failure_block.ts';
import { laneTrace } from '../report/lane_trace.ts';
import type { RunResult } from '../run_result.ts';
import { inSource } from '../source_lines.ts';
import { parseAgain } from './again_text.ts';
import { framesOf } from './evidence.ts';
import type { ExploreFailure } from './explore_options.ts';
import type { LaneStep } from './lane_step.ts';
import { type FailureSize, signatureOf, sizeText } from './shrink.ts';

/** A failure, and what its repetition has shown. */
export interface ShownFailure {
  readonly failure: ExploreFailure;
  readonly lanes?: readonly LaneStep[];
  readonly evidence?: RunResult | undefined;
  /** What it was before it was shrunk. */
  readonly before?: FailureSize;
  /** Lines to stand before the command. */
  readonly notes?: readonly string[];
}

/** @param folder one line about it */
export function exploreFailureBlock(shown: ShownFailure, folder?: string): string[] {
  const { failure, lanes = [], evidence, before, notes = [] } = shown;
  const { schedule, steps, hash, choices, again } = failure;
  const counted = `Schedule ${schedule}: ${steps} operations, ${choices.length} choices that are not the default, hash ${hash.toString(16)}.`;
  const shrunk = before === undefined ? [] : [`It was shrunk from ${sizeText(before)}.`];
  if (evidence === undefined || again === undefined)
    return [...bareBlock(failure), ...notes, ...raceLines(failure), counted, ...againLines(again), ...folderLine(folder)];
  return failureBlock(evidence, `faultlab again ${again}`, {
    parameters: failureParameters(failure, again),
    lanes: ['The schedule:', ...laneTrace(lanes, failure.findings[0], evidence.cpuTitles)],
    notes: [...notes, ...raceLines(failure), counted, ...shrunk],
    ...(folder === undefined ? {} : { folder }),
  });
}

/** Where both accesses of the first race are. */
function raceLines({ findings }: ExploreFailure): string[] {
  const found = findings.find(({ race }) => race?.otherStack !== undefined);
  if (found?.race?.otherStack === undefined) return [];
  const { cpu, stack, race } = found;
  const { other, otherAccess, otherStack } = race;
  return [
    `The race, CPU ${cpu}:`,
    ...inSource(stack).split('\n'),
    `and the ${otherAccess} by CPU ${other}:`,
    ...inSource(otherStack ?? '').split('\n'),
  ];
}

const folderLine = (folder: string | undefined): string[] => (folder === undefined ? [] : [folder]);

/** Everything that the schedule depends on but the choices. */
export function failureParameters(failure: ExploreFailure, again: string): Record<string, string | number | boolean> {
  const { choices: _, hash, mutant, cuts, count, inject, ...parameters } = parseAgain(again);
  const left = cuts === '-' ? {} : { cuts };
  return {
    site: JSON.stringify(signatureOf(failure)),
    ...parameters,
    ops: count,
    ...(mutant === '' ? {} : { mutant }),
    ...left,
    ...(inject === '' ? {} : { inject }),
    steps: failure.steps,
    hash: hash.toString(16),
    node: process.version,
  };
}

/** What is known without a repetition. */
function bareBlock(failure: ExploreFailure): string[] {
  const lines = [
    `--- FAILURE: ${failure.invariant} ${fieldsText({ seed: failure.seed, programSeed: failure.programSeed, steps: failure.steps })}`,
  ];
  for (const { id, message, cpu, stack, state } of failure.findings) {
    const where = cpu === undefined ? 'the check after the schedule' : `CPU ${cpu}`;
    lines.push(`!!! ${brokenText(id)}, found by ${where}: ${message}`);
    lines.push(...framesOf(stack), '', ...state, '');
  }
  return lines;
}

const againLines = (again: string | undefined): string[] =>
  again === undefined ? ['It has no name, so only its programs and choices repeat it.'] : ['Again:', `  faultlab again ${again}`];

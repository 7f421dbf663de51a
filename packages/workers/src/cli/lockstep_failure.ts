/**
 * What every command does with a schedule that failed: shrinks it, repeats it with all its steps written down, prints the block, and writes the folder.
 * Next: ../lockstep/failure_block.ts
 */
import type { Command } from 'commander';
import { checkFolder } from '../exports/write_exports.ts';
import { again } from '../lockstep/again.ts';
import type { ExploreFailure } from '../lockstep/explore_options.ts';
import { exploreFailureBlock, failureParameters, type ShownFailure } from '../lockstep/failure_block.ts';
import { shrink } from '../lockstep/shrink.ts';
import { writeFailureFolder } from '../report/failure_folder.ts';
import { type CliContext, userPath } from './command.ts';

export interface FailureFlags {
  /** Of the folder; false: none is to be written; undefined: a name is made. */
  readonly dir: string | false | undefined;
  readonly shrink: boolean;
}

const SHRINK_SECONDS = 20;
const SHRINK_BUDGET = 1500;

/** The options of a command whose failures are printed so. */
export function failureOptions(command: Command): Command {
  return command
    .option('--dir <folder>', 'where a failure leaves its evidence (default: ./faultlab-failure-<what failed>)')
    .option('--no-dir', 'write no such folder')
    .option('--no-shrink', 'print a failed schedule as it was found');
}

/** @throws UsageError when nothing could be written into the folder that was named */
export async function checkFailureFlags({ dir }: Pick<FailureFlags, 'dir'>): Promise<void> {
  if (typeof dir === 'string') await checkFolder(userPath(dir));
}

/** @param signal ends the shrinking early @returns the failure as it was printed */
export async function reportFailedSchedule(
  found: ExploreFailure,
  flags: FailureFlags,
  context: CliContext,
  signal?: AbortSignal,
): Promise<ShownFailure> {
  const shown = await shownFailure(found, flags.shrink, context, signal);
  await printFailedSchedule(shown, flags.dir, context, found.again);
  return shown;
}

/** Prints it, and writes its folder. @param foundAs its word before it was shrunk */
export async function printFailedSchedule(
  shown: ShownFailure,
  dir: FailureFlags['dir'],
  context: CliContext,
  foundAs: string | undefined = shown.failure.again,
): Promise<void> {
  const folder = dir === false ? undefined : await folderOf(shown, dir, foundAs);
  context.out.write(`${exploreFailureBlock(shown, folder).join('\n')}\n\n`);
}

/** Shrinks it if wanted, and repeats it with all its steps written down. */
export async function shownFailure(
  found: ExploreFailure,
  wanted: boolean,
  context: CliContext,
  signal?: AbortSignal,
): Promise<ShownFailure> {
  const word = found.again;
  // A hang costs the time that it takes to notice it.
  if (word === undefined || found.invariant === 'hang') return { failure: found };
  let notes: string[] = [];
  if (wanted && signal?.aborted !== true) {
    try {
      const onProgress = (line: string): unknown => context.errors.write(`shrink: ${line}\n`);
      const { failure, lanes, evidence, before, complete } = await shrink(word, {
        seconds: SHRINK_SECONDS,
        budget: SHRINK_BUDGET,
        onProgress,
      });
      notes = complete ? [] : ['The budget of shrinking was used up; faultlab shrink may find a simpler schedule.'];
      return { failure, lanes, evidence, before, notes };
    } catch (error) {
      notes = [`It could not be shrunk: ${(error as Error).message}`];
    }
  }
  const { first, lanes, evidence, same } = await again(word, { lanes: true });
  if (first === undefined || !same)
    return { failure: found, notes: [...notes, 'A repetition did not do the same; that is a bug of this engine.'] };
  return { failure: first, lanes, evidence, notes };
}

async function folderOf(shown: ShownFailure, dir: string | undefined, foundAs: string | undefined): Promise<string | undefined> {
  const { failure, evidence } = shown;
  const word = failure.again;
  if (word === undefined || evidence === undefined) return undefined;
  const parameters = failureParameters(failure, word);
  const path = userPath(dir ?? `faultlab-failure-${parameters['scenario']}-${failure.hash.toString(16)}`);
  return await writeFailureFolder(path, true, {
    params: { kind: 'schedule', parameters, ...(foundAs === undefined || foundAs === word ? {} : { foundAs }) },
    result: evidence,
    block: exploreFailureBlock(shown),
    again: word,
  });
}

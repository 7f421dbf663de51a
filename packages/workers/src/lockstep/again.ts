/**
 * Repeats a failed schedule exactly, and says whether it was the same.
 * Next: explore.ts
 */
import { parseAgain } from './again_text.ts';
import { parseChoices } from './choices.ts';
import { explore } from './explore.ts';
import type { ExploreOptions, ExploreResult } from './explore_options.ts';
import { parseCuts } from './program_cuts.ts';

export interface AgainResult extends ExploreResult {
  /** Every operation was the same, in the same order. */
  readonly same: boolean;
}

/** What an exploration is told to have the schedule of a word once more. @throws UsageError when it is none */
export function optionsOf(text: string): ExploreOptions {
  const { hash: _, choices, mutant, cuts: cutsWord, ...parameters } = parseAgain(text);
  const cuts = parseCuts(cutsWord);
  return {
    ...parameters,
    ...(mutant === '' ? {} : { mutant }),
    ...(cuts === undefined ? {} : { cuts }),
    choices: parseChoices(choices),
    schedules: 1,
  };
}

/** @param text as printed after a failure. @throws UsageError when it is none */
export async function again(text: string, options: Pick<ExploreOptions, 'signal' | 'lanes' | 'size'> = {}): Promise<AgainResult> {
  const { hash } = parseAgain(text);
  const result = await explore({ ...optionsOf(text), ...options });
  return { ...result, same: result.first === undefined ? false : result.first.hash === hash };
}

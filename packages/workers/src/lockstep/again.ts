/**
 * Repeats a failed schedule exactly, and says whether it was the same.
 * Next: explore.ts
 */
import { parseAgain } from './again_text.ts';
import { parseChoices } from './choices.ts';
import { type ExploreOptions, type ExploreResult, explore } from './explore.ts';

export interface AgainResult extends ExploreResult {
  /** Every operation was the same, in the same order. */
  readonly same: boolean;
}

/** @param text as printed after a failure. @throws UsageError when it is none */
export async function again(text: string, options: Pick<ExploreOptions, 'verify' | 'signal'> = {}): Promise<AgainResult> {
  const { hash, choices, mutant, ...parameters } = parseAgain(text);
  const result = await explore({
    ...options,
    ...parameters,
    ...(mutant === '' ? {} : { mutant }),
    choices: parseChoices(choices),
    schedules: 1,
  });
  return { ...result, same: result.first === undefined ? false : result.first.hash === hash };
}

/** What a fault costs in lock pairs, and what a change in percent is worth by that. */
import { said } from './claim.ts';
import { dirtiedOnThread } from './dirtier_thread.ts';
import { MMAP_DROP } from './variants.ts';

/** Lock pairs that a fault has to cost before a change of less than SMALL percent says anything about locks: else it is one of the model around them. */
const PIN = 20;
const SMALL = 10;

/** A fault without contention, in lock pairs. */
export async function faultInLockPairs(): Promise<number> {
  const { page, pair } = await dirtiedOnThread(MMAP_DROP);
  return page / pair;
}

/** What a change in percent is worth: small ones nothing, where a fault is too cheap. */
export const believed = (percent: number, faultPerPair: number, met: boolean | undefined): boolean | undefined =>
  Math.abs(percent) < SMALL && faultPerPair < PIN ? undefined : met;

/** The rule in words. */
export const pin = (faultPerPair: number): string =>
  `A fault is ${said(faultPerPair)} lock pairs here, ${faultPerPair >= PIN ? 'at least' : 'less than'} the ${PIN} from which on changes under ${SMALL} % are worth anything.`;

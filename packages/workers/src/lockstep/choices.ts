/**
 * A schedule as a list of choices: those that were not the default. Everything else follows from the programs, so the list is short when
 * there were few switches, and a shorter list is a simpler schedule.
 * As text: for each entry how many choices it is after the one before, and the CPU, in base 36: `12.1-3.0`.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { B_DEVIATIONS, type Board, DEVIATIONS_MAX, deviationAt, LOCKSTEP_CPUS_MAX } from './board.ts';

/** Choice number `at` of the schedule, from 0, fell on `cpu`. */
export interface Deviation {
  readonly at: number;
  readonly cpu: number;
}

/** In ascending order. */
export type Choices = readonly Deviation[];

/** The list of the schedule that the board holds. */
export function readChoices(board: Board): Deviation[] {
  const count = Math.min(board[B_DEVIATIONS] as number, DEVIATIONS_MAX);
  return Array.from({ length: count }, (_, index) => ({
    at: board[deviationAt(index)] as number,
    cpu: board[deviationAt(index) + 1] as number,
  }));
}

const RADIX = 36;
const NONE = '0';

export function choicesText(choices: Choices): string {
  if (choices.length === 0) return NONE;
  let last = 0;
  const parts = choices.map(({ at, cpu }) => {
    const part = `${(at - last).toString(RADIX)}.${cpu.toString(RADIX)}`;
    last = at;
    return part;
  });
  return parts.join('-');
}

/** @throws UsageError when the text is no such list */
export function parseChoices(text: string): Deviation[] {
  if (text === NONE) return [];
  let at = 0;
  return text.split('-').map((part, index) => {
    const [, after, cpu] = /^([0-9a-z]{1,7})\.([0-9a-z]{1,2})$/.exec(part) ?? [];
    const number = Number.parseInt(cpu ?? '', RADIX);
    if (after === undefined || !(number < LOCKSTEP_CPUS_MAX)) {
      throw new UsageError(`Choice ${index + 1} of the schedule is "${part}", but it must be two numbers of base 36 such as "1f.0".`);
    }
    at += Number.parseInt(after, RADIX);
    return { at, cpu: number };
  });
}

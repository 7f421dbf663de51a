/**
 * A claim that somebody made about page-fault locking, as something that can be looked at again: what was said, a set-up, figures, and a check that
 * turns figures into a verdict. The check is pure, so that it can be shown figures of every kind.
 * Next: by_id.ts lists them, run_claims.ts runs them
 */
import type { ClaimRuns } from './claim_runs.ts';

/** `undecided`: the figures, or this machine, do not allow to say. */
export type ClaimVerdict = 'held' | 'not held' | 'undecided';

export interface Judgement {
  readonly verdict: ClaimVerdict;
  /** Why, with the figures that decided. */
  readonly text: string;
}

/** What a figure is; the number comes from a run. */
export interface FigureSpec {
  readonly name: string;
  readonly unit: string;
}

/** By the keys of the claim's `figures`. */
export type Figures<Key extends string = string> = Readonly<Record<Key, number>>;

export interface Claim<Key extends string = string> {
  /** C1 to C17. */
  readonly id: string;
  readonly title: string;
  readonly claim: string;
  /** Who said so, and where. */
  readonly source: string;
  readonly setup: string;
  /** The shape that the figures must have, with its tolerance. */
  readonly expected: string;
  readonly cannotTell: string;
  /** Counts are the same in every run; claims about time need a machine that has time for them. */
  readonly decidedBy: 'counts' | 'time';
  readonly figures: Readonly<Record<Key, FigureSpec>>;
  measure(runs: ClaimRuns): Promise<Figures<Key>>;
  judge(figures: Figures<Key>): Judgement;
}

export const held = (text: string): Judgement => ({ verdict: 'held', text });
export const notHeld = (text: string): Judgement => ({ verdict: 'not held', text });
export const undecided = (text: string): Judgement => ({ verdict: 'undecided', text });

/** One thing that must be so. A condition that is undefined could not be told. */
export interface Condition {
  readonly what: string;
  readonly met: boolean | undefined;
}

/** Held when all conditions are met, not held when one is broken, else undecided. The text names them, those that decided first. */
export function judgeAll(conditions: readonly Condition[], remark = ''): Judgement {
  const named = (met: boolean | undefined): string =>
    conditions
      .filter((condition) => condition.met === met)
      .map(({ what }) => what)
      .join('; ');
  const [broken, open, fine] = [named(false), named(undefined), named(true)];
  const parts = [
    broken === '' ? '' : `Not as expected: ${broken}.`,
    open === '' ? '' : `Open: ${open}.`,
    fine === '' ? '' : `As expected: ${fine}.`,
    remark,
  ];
  const text = parts.filter((part) => part !== '').join(' ');
  if (broken !== '') return notHeld(text);
  return open === '' ? held(text) : undecided(text);
}

/** At least `least`: met from there on, broken below `broken`, open between. */
export const atLeast = (value: number, least: number, broken: number = least): boolean | undefined =>
  value >= least ? true : value < broken ? false : undefined;

/** At most `most`: met up to there, broken above `broken`, open between. */
export const atMost = (value: number, most: number, broken: number = most): boolean | undefined =>
  value <= most ? true : value > broken ? false : undefined;

/** What every round says: rounds that contradict each other leave it open. @param met, broken percent of the rounds */
export const ofRounds = (met: number, broken: number): boolean | undefined => (met === 100 ? true : broken === 100 ? false : undefined);

/** Percent of the rounds in which it is so. */
export const roundsWith = (rounds: readonly boolean[]): number => (100 * rounds.filter(Boolean).length) / rounds.length;

/** Three significant digits, for texts; counts and whole numbers as they are. */
export function said(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** The middle one of the values, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

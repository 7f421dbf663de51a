/** A cell of the kill matrix: a mutant, hunted in one way with some seeds. Next: kill_matrix.ts */
import type { Caught } from './caught.ts';
import type { Way } from './engines.ts';
import type { HuntResult } from './hunt.ts';

export interface Cell {
  readonly way: Way;
  /** Runs, and those of them that caught it. */
  readonly runs: number;
  readonly caught: number;
  /** The rules by which it was caught, most often first. */
  readonly by: readonly string[];
  /** Until it was caught; the medians of the runs that did. */
  readonly seconds: number | undefined;
  readonly schedules: number | undefined;
  /** In lock-step: those that were replayed, operation by operation. */
  readonly exact?: number;
}

export function cellOf(way: Way, results: readonly HuntResult[], exact?: number): Cell {
  const hits = results.filter((result) => result.caught !== undefined);
  const counts = new Map<string, number>();
  for (const { caught } of hits) counts.set((caught as Caught).by, (counts.get((caught as Caught).by) ?? 0) + 1);
  const by = [...counts].sort(([, one], [, other]) => other - one).map(([id]) => id);
  return {
    way,
    runs: results.length,
    caught: hits.length,
    by,
    seconds: median(hits.map(({ seconds }) => seconds)),
    schedules: median(hits.map(({ schedules }) => schedules)),
    ...(exact === undefined ? {} : { exact }),
  };
}

function median(numbers: readonly number[]): number | undefined {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** Most of its runs have caught it. */
export const catches = ({ caught, runs }: Pick<Cell, 'caught' | 'runs'>): boolean => caught * 2 > runs;

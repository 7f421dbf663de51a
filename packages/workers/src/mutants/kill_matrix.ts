/**
 * The kill matrix: every mutant with every engine that has a way to hunt it, and the right model with the same budget. A mutant is detected when
 * one engine catches it with most of its seeds; whatever the right model is caught at is a false alarm.
 * Next: matrix_report.ts
 */
import type { Mutant } from '@faultlab/core/mutants/mutant';
import type { Caught } from './caught.ts';
import { FORCED_TRIGGERS, type HuntResult, huntForced, huntFree, huntLockstep } from './hunt.ts';
import { HUNTS, type Hunt, huntKey } from './hunts.ts';

/**
 * `forced`: one thread carries the interleaving out, step by step. `lockstep`: drawn schedules of threads that take turns. `free`: real threads, with
 * delays.
 */
export const ENGINES = ['forced', 'lockstep', 'free'] as const;
export type EngineName = (typeof ENGINES)[number];

/** A mutant under one engine. */
export interface Cell {
  readonly engine: EngineName;
  /** Runs, and those of them that caught it. */
  readonly runs: number;
  readonly caught: number;
  /** The rules by which it was caught, most often first. */
  readonly by: readonly string[];
  /** Until it was caught; the medians of the runs that did. */
  readonly seconds: number | undefined;
  readonly schedules: number | undefined;
}

export interface MatrixRow {
  readonly mutant: string;
  readonly title: string;
  readonly difficulty: string;
  readonly cells: readonly Cell[];
  readonly detected: boolean;
}

export interface FalseAlarm {
  readonly engine: EngineName;
  readonly what: string;
  readonly seed: number;
  readonly caught: Caught;
}

export interface KillMatrix {
  readonly rows: readonly MatrixRow[];
  readonly falseAlarms: readonly FalseAlarm[];
  /** Runs of the right model. */
  readonly rightRuns: number;
  readonly seeds: number;
  readonly elapsedSeconds: number;
  readonly interrupted: boolean;
}

export interface MatrixOptions {
  readonly mutants: readonly Mutant[];
  readonly engines: readonly EngineName[];
  readonly seeds: number;
  /** The first of them. */
  readonly seed: number;
  /** Most seconds of one run on free-running threads. */
  readonly seconds: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
}

export async function killMatrix(options: MatrixOptions): Promise<KillMatrix> {
  const startedMs = performance.now();
  const rows: MatrixRow[] = [];
  for (const { id, title, difficulty } of options.mutants) {
    if (isAborted(options)) break;
    const cells: Cell[] = [];
    for (const engine of options.engines) {
      const results = await huntsOf(engine, id, options);
      if (results.length > 0) cells.push(cellOf(engine, results));
    }
    const detected = cells.some((cell) => cell.caught * 2 > cell.runs);
    rows.push({ mutant: id, title, difficulty, cells, detected });
    options.onProgress?.(`${id}: ${detected ? 'detected' : 'missed'}`);
  }
  const right = await rightModel(options);
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  return { rows, ...right, seeds: options.seeds, elapsedSeconds, interrupted: isAborted(options) };
}

const HUNT_WITH = { free: huntFree, lockstep: huntLockstep } as const;

const isAborted = ({ signal }: MatrixOptions): boolean => signal?.aborted === true;

const seedsOf = ({ seed, seeds }: MatrixOptions): number[] => Array.from({ length: seeds }, (_, index) => seed + index);

/** A forced interleaving is the same for every seed: once is enough. */
async function huntsOf(engine: EngineName, id: string, options: MatrixOptions): Promise<HuntResult[]> {
  const results: HuntResult[] = [];
  if (engine === 'forced') {
    for (const trigger of FORCED_TRIGGERS) if (trigger.mutants.includes(id)) results.push(huntForced(trigger, id));
    return results;
  }
  for (const hunt of HUNTS.filter(({ mutant }) => mutant === id)) {
    for (const seed of seedsOf(options)) {
      if (isAborted(options)) return results;
      results.push(await HUNT_WITH[engine](hunt, true, { ...options, seed }));
    }
  }
  return results;
}

function cellOf(engine: EngineName, results: readonly HuntResult[]): Cell {
  const hits = results.filter((result) => result.caught !== undefined);
  const counts = new Map<string, number>();
  for (const { caught } of hits) counts.set((caught as Caught).by, (counts.get((caught as Caught).by) ?? 0) + 1);
  const by = [...counts].sort(([, one], [, other]) => other - one).map(([id]) => id);
  return {
    engine,
    runs: results.length,
    caught: hits.length,
    by,
    seconds: median(hits.map(({ seconds }) => seconds)),
    schedules: median(hits.map(({ schedules }) => schedules)),
  };
}

function median(numbers: readonly number[]): number | undefined {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** The same hunts and interleavings without any mutant, each once for every seed. */
async function rightModel(options: MatrixOptions): Promise<{ falseAlarms: FalseAlarm[]; rightRuns: number }> {
  const falseAlarms: FalseAlarm[] = [];
  let rightRuns = 0;
  const wanted = new Set(options.mutants.map(({ id }) => id));
  const note = (engine: EngineName, what: string, seed: number, { caught }: HuntResult): void => {
    rightRuns++;
    if (caught !== undefined) falseAlarms.push({ engine, what, seed, caught });
  };
  if (options.engines.includes('forced')) {
    for (const trigger of FORCED_TRIGGERS) {
      if (trigger.mutants.some((id) => wanted.has(id))) note('forced', trigger.mutants.join(', '), 0, huntForced(trigger, undefined));
    }
  }
  const distinct = new Map<string, Hunt>(HUNTS.filter(({ mutant }) => wanted.has(mutant)).map((hunt) => [huntKey(hunt), hunt]));
  for (const engine of ['lockstep', 'free'] as const) {
    if (!options.engines.includes(engine)) continue;
    for (const [what, hunt] of distinct) {
      for (const seed of seedsOf(options)) {
        if (isAborted(options)) return { falseAlarms, rightRuns };
        note(engine, what, seed, await HUNT_WITH[engine](hunt, false, { ...options, seed }));
      }
      options.onProgress?.(`right model, ${engine}: ${hunt.scenario.name}`);
    }
  }
  return { falseAlarms, rightRuns };
}

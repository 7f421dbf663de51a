/**
 * The kill matrix: every mutant with every way to hunt it, and the right model with the same budget. A mutant is detected when one way catches it
 * with most of its seeds; whatever the right model is caught at is a false alarm.
 * Next: matrix_report.ts
 */
import type { Mutant } from '@faultlab/core/mutants/mutant';
import type { Caught } from './caught.ts';
import { type Cell, catches, cellOf } from './cell.ts';
import { type EngineName, LOCKSTEP_STRATEGIES, type LockstepStrategy, type Way, waysOf } from './engines.ts';
import { FORCED_TRIGGERS, type HuntResult, huntForced, huntFree } from './hunt.ts';
import { HUNTS, type Hunt, huntKey } from './hunts.ts';
import { LockstepHunter, type LockstepHuntResult, repeatsFromWord } from './lockstep_hunt.ts';
import { LOCKSTEP_HUNTS, type LockstepHunt, lockstepHuntKey } from './lockstep_hunts.ts';
import { Pace } from './pace.ts';

/** A schedule that catches the mutant, exactly, whenever it is wanted. */
export interface ExactReplay {
  /** For `faultlab again`. */
  readonly again: string;
  readonly way: Way;
  readonly by: string;
  /** Operations, and choices that are not the default. */
  readonly steps: number;
  readonly choices: number;
}

export interface MatrixRow {
  readonly mutant: string;
  readonly title: string;
  readonly difficulty: string;
  readonly cells: readonly Cell[];
  readonly detected: boolean;
  /** The one with the fewest choices; null when lock-step has not caught it. */
  readonly replay: ExactReplay | null;
}

export interface FalseAlarm {
  readonly way: Way;
  readonly what: string;
  readonly seed: number;
  readonly caught: Caught;
}

export interface KillMatrix {
  readonly rows: readonly MatrixRow[];
  readonly ways: readonly Way[];
  readonly falseAlarms: readonly FalseAlarm[];
  /** Runs of the right model; in lock-step, each of many schedules. */
  readonly rightRuns: number;
  readonly rightSchedules: number;
  readonly seeds: number;
  readonly elapsedSeconds: number;
  readonly interrupted: boolean;
}

export interface MatrixOptions {
  readonly mutants: readonly Mutant[];
  readonly engines: readonly EngineName[];
  /** Of lock-step; all when not given. */
  readonly strategies?: readonly LockstepStrategy[];
  readonly seeds: number;
  /** The first of them. */
  readonly seed: number;
  /** Most schedules of one run in lock-step. */
  readonly schedules: number;
  /** Most seconds of one run on free-running threads. */
  readonly seconds: number;
  /** Seeds are left out so that it takes no longer; no limit when not given. */
  readonly minutes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
}

/** When each part is to be over, as a share of the time. The right model, which is never caught, takes longer than all mutants together. */
const MUTANTS_LOCKSTEP = 0.25;
const MUTANTS_FREE = 0.45;
const RIGHT_LOCKSTEP = 0.72;
const RIGHT_FREE = 1;
/** Seeds without a catch after which a cell is given up. */
const VAIN_SEEDS = 2;

export async function killMatrix(options: MatrixOptions): Promise<KillMatrix> {
  return await new MatrixRun(options).run();
}

/** The strategies that are worth their time for a hunt. */
const useful = (hunt: LockstepHunt, strategies: readonly LockstepStrategy[]): LockstepStrategy[] =>
  LOCKSTEP_STRATEGIES.filter((name) => strategies.includes(name) && !hunt.without.includes(name));

class MatrixRun {
  readonly #options: MatrixOptions;
  readonly #strategies: readonly LockstepStrategy[];
  readonly #pace: Pace;
  readonly #cells = new Map<string, Cell[]>();
  readonly #replays = new Map<string, ExactReplay>();
  readonly #falseAlarms: FalseAlarm[] = [];
  readonly #reached = new Set<string>();
  #rightRuns = 0;
  #rightSchedules = 0;

  constructor(options: MatrixOptions) {
    this.#options = options;
    this.#strategies = options.engines.includes('lockstep') ? (options.strategies ?? LOCKSTEP_STRATEGIES) : [];
    this.#pace = new Pace((options.minutes ?? Number.POSITIVE_INFINITY) * 60);
  }

  async run(): Promise<KillMatrix> {
    const { mutants, engines, seeds } = this.#options;
    this.#pace.phase(mutants.length, MUTANTS_LOCKSTEP);
    for (const { id } of mutants) {
      if (this.#aborted) break;
      this.#cells.set(id, []);
      if (engines.includes('forced')) this.#forced(id);
      for (const hunt of LOCKSTEP_HUNTS) if (hunt.mutant === id) await this.#lockstep(hunt);
      this.#pace.next();
    }
    await this.#freeMutants();
    await this.#rightModel();
    const rows = mutants.filter(({ id }) => this.#reached.has(id)).map((mutant) => this.#rowOf(mutant));
    return {
      rows,
      ways: waysOf(engines, this.#strategies),
      falseAlarms: this.#falseAlarms,
      rightRuns: this.#rightRuns,
      rightSchedules: this.#rightSchedules,
      seeds,
      elapsedSeconds: this.#pace.elapsedSeconds,
      interrupted: this.#aborted,
    };
  }

  get #aborted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  get #seeds(): number[] {
    const { seed, seeds } = this.#options;
    return Array.from({ length: seeds }, (_, index) => seed + index);
  }

  get #signal(): { readonly signal?: AbortSignal } {
    const { signal } = this.#options;
    return signal === undefined ? {} : { signal };
  }

  #note(line: string): void {
    this.#options.onProgress?.(`${this.#pace.elapsedSeconds.toFixed(0)} s: ${line}`);
  }

  #cell(id: string, way: Way, results: readonly HuntResult[], exact?: number): void {
    if (results.length === 0) return;
    const cell = cellOf(way, results, exact);
    this.#cells.get(id)?.push(cell);
    this.#note(`${id}, ${way}: ${cell.caught} of ${cell.runs}${cell.caught > 0 ? `, ${cell.by.join(' ')}` : ''}`);
  }

  #rowOf({ id, title, difficulty }: Mutant): MatrixRow {
    const cells = this.#cells.get(id) ?? [];
    const detected = cells.some(catches);
    return { mutant: id, title, difficulty, cells, detected, replay: this.#replays.get(id) ?? null };
  }

  /** A forced interleaving is the same for every seed: once is enough. */
  #forced(id: string): void {
    const results = FORCED_TRIGGERS.filter(({ mutants }) => mutants.includes(id)).map((trigger) => huntForced(trigger, id));
    this.#cell(id, 'forced', results);
  }

  async #lockstep(hunt: LockstepHunt): Promise<void> {
    const strategies = useful(hunt, this.#strategies);
    if (strategies.length === 0) return;
    await using hunter = new LockstepHunter(hunt);
    const exact: (LockstepHuntResult & { readonly way: Way })[] = [];
    for (const strategy of strategies) {
      const way = `lockstep/${strategy}` as const;
      const results = await this.#seedsOf(hunter, hunt, strategy);
      this.#cell(hunt.mutant, way, results, results.filter((result) => result.exact).length);
      exact.push(...results.filter((result) => result.exact).map((result) => ({ ...result, way })));
    }
    await this.#keepReplay(hunt.mutant, exact);
  }

  async #seedsOf(hunter: LockstepHunter, { mutant }: LockstepHunt, strategy: LockstepStrategy): Promise<LockstepHuntResult[]> {
    const results: LockstepHuntResult[] = [];
    const { schedules } = this.#options;
    for (const seed of strategy === 'dfs' ? this.#seeds.slice(0, 1) : this.#seeds) {
      if (this.#aborted) break;
      const vain = results.length >= VAIN_SEEDS && results.every(({ caught }) => caught === undefined);
      if (vain || (results.length > 0 && !this.#pace.inTime)) break;
      results.push(await hunter.run(mutant, { strategy, seed, schedules, ...this.#signal }));
    }
    return results;
  }

  /** The simplest schedule that a machine of its own repeats from its word. */
  async #keepReplay(mutant: string, exact: readonly (LockstepHuntResult & { readonly way: Way })[]): Promise<void> {
    const choices = (result: LockstepHuntResult): number => result.failure?.choices.length ?? 0;
    for (const result of [...exact].sort((one, other) => choices(one) - choices(other))) {
      const { failure, way } = result;
      if (failure?.again === undefined || this.#aborted) return;
      if (!(await repeatsFromWord(result))) continue;
      const { again, invariant, steps } = failure;
      this.#replays.set(mutant, { again, way, by: invariant, steps, choices: choices(result) });
      this.#note(`${mutant}, exact replay: ${again}`);
      return;
    }
  }

  async #freeMutants(): Promise<void> {
    const { mutants, engines } = this.#options;
    this.#pace.phase(mutants.length, MUTANTS_FREE);
    for (const { id } of mutants) {
      if (this.#aborted || !this.#cells.has(id)) return;
      if (engines.includes('free')) {
        for (const hunt of HUNTS) if (hunt.mutant === id) this.#cell(id, 'free', await this.#free(hunt));
      }
      this.#pace.next();
      if (!this.#aborted) this.#reached.add(id);
    }
  }

  async #free(hunt: Hunt): Promise<HuntResult[]> {
    const results: HuntResult[] = [];
    for (const seed of this.#seeds) {
      if (this.#aborted || (results.length > 0 && !this.#pace.inTime)) break;
      results.push(await huntFree(hunt, true, { seed, seconds: this.#options.seconds, ...this.#signal }));
      if (results.length >= VAIN_SEEDS && results.every(({ caught }) => caught === undefined)) break;
    }
    return results;
  }

  // --- the right model ----------------------------------------------------------------------------------------------------------------

  /** The same without any mutant: each interleaving, and each scenario with as many seeds. */
  async #rightModel(): Promise<void> {
    const { mutants, engines } = this.#options;
    const wanted = new Set(mutants.map(({ id }) => id));
    if (engines.includes('forced')) {
      for (const trigger of FORCED_TRIGGERS) {
        if (trigger.mutants.some((id) => wanted.has(id)))
          this.#right('forced', trigger.mutants.join(', '), 0, huntForced(trigger, undefined));
      }
    }
    const lockstep = distinct(LOCKSTEP_HUNTS, wanted, lockstepHuntKey);
    this.#pace.phase(lockstep.length, RIGHT_LOCKSTEP);
    for (const hunt of lockstep) {
      await this.#rightLockstep(hunt);
      this.#pace.next();
    }
    const free = engines.includes('free') ? distinct(HUNTS, wanted, huntKey) : [];
    this.#pace.phase(free.length, RIGHT_FREE);
    for (const hunt of free) {
      await this.#rightFree(hunt);
      this.#pace.next();
    }
  }

  #right(way: Way, what: string, seed: number, { caught, schedules }: HuntResult): void {
    this.#rightRuns++;
    if (way.startsWith('lockstep')) this.#rightSchedules += schedules;
    if (caught === undefined) return;
    this.#falseAlarms.push({ way, what, seed, caught });
    this.#note(`false alarm, ${way}: ${what}, ${caught.by}`);
  }

  async #rightLockstep(hunt: LockstepHunt): Promise<void> {
    const strategies = useful(hunt, this.#strategies);
    if (strategies.length === 0 || this.#aborted) return;
    await using hunter = new LockstepHunter(hunt);
    const { schedules } = this.#options;
    for (const strategy of strategies) {
      for (const [index, seed] of (strategy === 'dfs' ? this.#seeds.slice(0, 1) : this.#seeds).entries()) {
        if (this.#aborted || (index > 0 && !this.#pace.inTime)) break;
        const result = await hunter.run(undefined, { strategy, seed, schedules, ...this.#signal });
        this.#right(`lockstep/${strategy}`, hunt.scenario.name, seed, result);
      }
    }
    this.#note(`right model, lockstep: ${hunt.scenario.name}`);
  }

  async #rightFree(hunt: Hunt): Promise<void> {
    for (const [index, seed] of this.#seeds.entries()) {
      if (this.#aborted || (index > 0 && !this.#pace.inTime)) break;
      this.#right('free', huntKey(hunt), seed, await huntFree(hunt, false, { seed, seconds: this.#options.seconds, ...this.#signal }));
    }
    this.#note(`right model, free: ${hunt.scenario.name}`);
  }
}

/** One of each of those hunts that are for the wanted mutants. */
function distinct<T extends { readonly mutant: string }>(hunts: readonly T[], wanted: ReadonlySet<string>, key: (hunt: T) => string): T[] {
  return [...new Map(hunts.filter(({ mutant }) => wanted.has(mutant)).map((hunt) => [key(hunt), hunt])).values()];
}

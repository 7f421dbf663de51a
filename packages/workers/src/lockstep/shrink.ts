/**
 * Makes a failed schedule simpler, as long as it fails in the same way: the same rule, broken at the same site. First the programs (CPUs, then
 * operations, then the pages that these work on, then areas), then the schedule (switches). What is tried depends on nothing but the word and
 * the budget of schedules, so the same word ends as the same word; only the limit of seconds may cut it short.
 *
 *   const { again, lanes } = await shrink('ls2:munmap_storm:...');
 *
 * A candidate is first tried with the switches of the last failure, each at the place in the programs where it was (anchors.ts); if it goes well
 * so, with some schedules of pct.
 * Next: reduce.ts, anchors.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { type Op, opSize } from '../program/op.ts';
import type { KeptOp } from '../program/program.ts';
import type { RunResult } from '../run_result.ts';
import { again, optionsOf } from './again.ts';
import { parseAgain } from './again_text.ts';
import { type Anchor, FIRST } from './anchors.ts';
import type { ExploreFailure, ExploreOptions } from './explore_options.ts';
import { type ExploreTurn, type LaidOut, layOut } from './laid_out.ts';
import type { LaneStep } from './lane_step.ts';
import type { ProgramCuts } from './program_cuts.ts';
import { reduce } from './reduce.ts';
import { unusedLayout } from './unused_layout.ts';

export interface ShrinkOptions {
  /** Schedules that may be tried; 4000 when not given. */
  readonly budget?: number;
  /** The same in seconds; 60 when not given. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** Called with a line whenever something was left out. */
  readonly onProgress?: (line: string) => void;
}

/** How large a failure is. */
export interface FailureSize {
  readonly cpus: number;
  readonly ops: number;
  readonly layout: number;
  readonly steps: number;
  /** Choices that are not the default. */
  readonly choices: number;
}

export interface Shrunk {
  readonly before: FailureSize;
  readonly after: FailureSize;
  readonly failure: ExploreFailure;
  /** Repeats it. */
  readonly again: string;
  /** Its steps. */
  readonly lanes: readonly LaneStep[];
  /** The machine when it was found, as the result of a run. */
  readonly evidence: RunResult | undefined;
  /** Schedules tried. */
  readonly schedules: number;
  readonly seconds: number;
  /** Nothing more could be left out; otherwise the budget was used up. */
  readonly complete: boolean;
}

const BUDGET_DEFAULT = 4000;
const SECONDS_DEFAULT = 60;
/** Schedules of pct for a candidate that went well with the switches it had. */
const SEARCH = 24;
const SEARCH_DEPTH = 4;
/** Schedules of a search by preemptions. */
const DEPTH_FIRST = 400;
const BOUND_MOST = 2;
const ROUNDS = 2;

interface Best {
  readonly cuts: ProgramCuts;
  readonly failure: ExploreFailure;
}

/** @param word as printed after a failure. @throws UsageError when it is none, or when nothing fails with it */
export async function shrink(word: string, options: ShrinkOptions = {}): Promise<Shrunk> {
  const shrinker = new Shrinker(word, options);
  try {
    return await shrinker.shrink();
  } finally {
    await shrinker.close();
  }
}

/** Two failures with the same text are the same failure. */
export function signatureOf({ invariant, findings }: Pick<ExploreFailure, 'invariant' | 'findings'>): string {
  return `${invariant} at ${findings[0]?.site ?? ''}`;
}

class Shrinker {
  readonly #word: string;
  readonly #options: ExploreOptions;
  readonly #programSeed: number;
  readonly #budget: number;
  readonly #endMs: number;
  readonly #startMs = performance.now();
  readonly #signal: AbortSignal | undefined;
  readonly #say: (line: string) => void;
  #machine: LaidOut | undefined;
  /** The layout that the explorer has. */
  #laidOut: readonly number[] | undefined;
  #schedules = 0;
  #cutShort = false;
  #signature = '';
  #told = '';
  #layoutLength = 0;
  #best: Best | undefined;
  #all: ReadonlyMap<number, readonly Op[]> = new Map();

  constructor(word: string, { budget = BUDGET_DEFAULT, seconds = SECONDS_DEFAULT, signal, onProgress }: ShrinkOptions) {
    const { choices: _, schedules: __, ...options } = optionsOf(word);
    this.#word = word;
    this.#options = options;
    this.#programSeed = parseAgain(word).programSeed;
    this.#budget = budget;
    this.#endMs = this.#startMs + seconds * 1000;
    this.#signal = signal;
    this.#say = onProgress ?? (() => {});
    this.#laidOut = options.cuts?.layout;
  }

  async close(): Promise<void> {
    await this.#machine?.[Symbol.asyncDispose]();
  }

  async shrink(): Promise<Shrunk> {
    const first = await this.#begin();
    const before = this.#size(first);
    this.#tell();
    for (let round = 0, size = ''; round < ROUNDS && size !== JSON.stringify(this.#size()); round++) {
      size = JSON.stringify(this.#size());
      await this.#leaveOutCpus();
      await this.#leaveOutOps();
      await this.#leaveOutPages();
      await this.#leaveOutSwitches();
    }
    await this.#leaveOutAreas();
    const { failure } = this.#now;
    const word = failure.again as string;
    await this.close();
    const shown = await again(word, { lanes: true });
    if (!shown.same) throw new Error(`The shrunk schedule ${word} does not repeat; this is a bug of the shrinking.`);
    return {
      before,
      after: this.#size(),
      failure: shown.first as ExploreFailure,
      again: word,
      lanes: shown.lanes,
      evidence: shown.evidence,
      schedules: this.#schedules,
      seconds: (performance.now() - this.#startMs) / 1000,
      complete: !this.#cutShort,
    };
  }

  get #now(): Best {
    return this.#best as Best;
  }

  /** The failure as it is, and what every CPU had not begun when it failed is left out. */
  async #begin(): Promise<Best> {
    const machine = await this.#booted(this.#laidOut);
    const { choices } = parseAgain(this.#word);
    const { first, hung } = await this.#run({ choices: optionsOf(this.#word).choices ?? [], ...cutsTurn(this.#options.cuts) });
    if (this.#cutShort) throw new UsageError('There was no time to repeat the schedule even once, so it was not shrunk; give it more.');
    if (first === undefined)
      throw new UsageError(`Nothing fails with the schedule ${choices.slice(0, 40)}, so there is nothing to shrink.`);
    if (hung) throw new UsageError('The schedule ends in a hang, which takes seconds to notice each time, so it is not shrunk.');
    this.#signature = signatureOf(first);
    this.#all = machine.operations(this.#programSeed);
    this.#layoutLength = machine.layout.length;
    const whole = new Map([...this.#all].map(([cpu, ops]) => [cpu, ops.map((_, index): KeptOp => ({ index }))]));
    const { programs = whole, layout } = this.#options.cuts ?? {};
    const begin: Best = { cuts: { programs, layout }, failure: first };
    const begun = new Map([...programs].map(([cpu, kept]) => [cpu, kept.slice(0, (first.ops[cpu] ?? 0) + 1)]));
    this.#best = begin;
    if (await this.#holds({ programs: begun, layout })) return begin;
    if (!(await this.#holds({ programs, layout })))
      throw new Error('A schedule with all its operations listed is another one; this is a bug of the shrinking.');
    return begin;
  }

  async #leaveOutCpus(): Promise<void> {
    for (const cpu of [...this.#now.cuts.programs.keys()]) {
      const { programs, layout } = this.#now.cuts;
      if (programs.size === 1) break;
      await this.#holds({ programs: new Map([...programs].filter(([other]) => other !== cpu)), layout });
    }
    this.#tell();
  }

  async #leaveOutOps(): Promise<void> {
    const { programs, layout } = this.#now.cuts;
    const flat = [...programs].flatMap(([cpu, kept]) => kept.map((op) => ({ cpu, op })));
    await reduce(flat, async (left) => {
      const kept = [...programs.keys()].map((cpu) => [cpu, left.filter((entry) => entry.cpu === cpu).map(({ op }) => op)] as const);
      return await this.#holds({ programs: new Map(kept), layout });
    });
    this.#tell();
  }

  async #leaveOutPages(): Promise<void> {
    for (const [cpu, kept] of this.#now.cuts.programs) {
      for (const { index, size } of kept) {
        const whole = size ?? opSize(this.#all.get(cpu)?.[index] as Op) ?? 1;
        for (let tried = 1; tried < whole; tried = tried === 1 ? Math.max(2, whole >>> 1) : whole) {
          if (await this.#holds(resized(this.#now.cuts, cpu, index, tried))) break;
        }
      }
    }
    this.#tell();
  }

  async #leaveOutSwitches(): Promise<void> {
    const { cuts } = this.#now;
    await reduce(this.#now.failure.anchors, async (anchors) => await this.#fails({ cuts, anchors }));
    for (let bound = 0; bound <= BOUND_MOST && this.#now.failure.anchors.length > bound; bound++) {
      const { failure } = this.#now;
      const simpler = (found: ExploreFailure): boolean => found.anchors.length < failure.anchors.length;
      if (await this.#fails({ cuts, strategy: 'dfs', bound, schedules: DEPTH_FIRST }, simpler)) break;
    }
    this.#tell();
  }

  /** Areas that no operation touches that is left. */
  async #leaveOutAreas(): Promise<void> {
    const setup = this.#machine?.layout ?? [];
    const { programs, layout = setup.map((_, index) => index) } = this.#now.cuts;
    const left = [...programs].flatMap(([cpu, kept]) => kept.map(({ index }) => this.#all.get(cpu)?.[index] as Op));
    const unused = new Set(unusedLayout(setup, left));
    const candidate = layout.filter((index) => !unused.has(index));
    if (candidate.length === layout.length) return;
    await this.#holds({ programs, layout: candidate });
    this.#tell();
  }

  /** Does the failure stay with these cuts? Then they are the new best. */
  async #holds(cuts: ProgramCuts): Promise<boolean> {
    const anchors = moved(this.#now.failure.anchors, this.#now.cuts, cuts);
    if (await this.#fails({ cuts, anchors })) return true;
    return await this.#fails({ cuts, strategy: 'pct', depth: SEARCH_DEPTH, schedules: SEARCH });
  }

  async #fails(turn: ExploreTurn & { readonly cuts: ProgramCuts }, wanted?: (found: ExploreFailure) => boolean): Promise<boolean> {
    const { failures } = await this.#run(turn);
    const found = failures.find((failure) => signatureOf(failure) === this.#signature && wanted?.(failure) !== false);
    if (found === undefined) return false;
    this.#best = { cuts: turn.cuts, failure: found };
    return true;
  }

  /** One schedule, or those of a strategy. */
  async #run(turn: ExploreTurn): Promise<RunOutcome> {
    const allowed = Math.min(turn.schedules ?? 1, this.#budget - this.#schedules);
    if (allowed <= 0 || performance.now() >= this.#endMs || this.#signal?.aborted === true) {
      this.#cutShort = true;
      return { first: undefined, failures: [], hung: false };
    }
    const machine = await this.#booted(turn.cuts?.layout);
    const { mutant, races, deep } = this.#options;
    const result = await machine.explore({
      ...turn,
      schedules: allowed,
      programSeed: this.#programSeed,
      ...(mutant === undefined ? {} : { mutant }),
      ...(races === undefined ? {} : { races }),
      ...(deep === undefined ? {} : { deep }),
    });
    this.#schedules += result.schedules;
    return result.hung && this.#signature !== '' ? { ...result, failures: [] } : result;
  }

  /** The machine with that layout. */
  async #booted(layout: readonly number[] | undefined): Promise<LaidOut> {
    const same = JSON.stringify(layout) === JSON.stringify(this.#laidOut);
    if (this.#machine?.usable === true && same) return this.#machine;
    await this.close();
    const { cuts: _, ...options } = this.#options;
    this.#machine = await layOut({ ...options, ...cutsTurn(layout === undefined ? undefined : { programs: new Map(), layout }) });
    this.#laidOut = layout;
    return this.#machine;
  }

  #size({ cuts, failure }: Best = this.#now): FailureSize {
    const ops = [...cuts.programs.values()].reduce((sum, kept) => sum + kept.length, 0);
    const { steps, choices } = failure;
    return { cpus: cuts.programs.size, ops, layout: cuts.layout?.length ?? this.#layoutLength, steps, choices: choices.length };
  }

  #tell(): void {
    const text = sizeText(this.#size());
    if (text !== this.#told) this.#say(`${text} (${this.#schedules} schedules)`);
    this.#told = text;
  }
}

const cutsTurn = (cuts: ProgramCuts | undefined): Pick<ExploreTurn, 'cuts'> => (cuts === undefined ? {} : { cuts });

interface RunOutcome {
  readonly first: ExploreFailure | undefined;
  readonly failures: readonly ExploreFailure[];
  readonly hung: boolean;
}

export const sizeText = ({ cpus, ops, layout, steps, choices }: FailureSize): string =>
  `${cpus} CPUs, ${ops} operations, ${layout} of the layout, ${steps} steps, ${choices} choices`;

function resized(cuts: ProgramCuts, cpu: number, index: number, size: number): ProgramCuts {
  const programs = new Map(cuts.programs);
  const kept = programs.get(cpu) ?? [];
  programs.set(
    cpu,
    kept.map((op) => (op.index === index ? { index, size } : op)),
  );
  return { ...cuts, programs };
}

/** The anchors that still have a place when operations are left out, each where it was. */
function moved(anchors: readonly Anchor[], from: ProgramCuts, to: ProgramCuts): Anchor[] {
  const gone = (cpu: number): boolean => from.programs.has(cpu) && !to.programs.has(cpu);
  return anchors.flatMap((anchor) => {
    if (gone(anchor.cpu)) return [];
    const [before, after] = [from.programs.get(anchor.by), to.programs.get(anchor.by)];
    if (anchor.how === FIRST || before === undefined) return [anchor];
    if (after === undefined) return [];
    const index = before[anchor.ops]?.index;
    const ops = index === undefined ? after.length : after.findIndex((op) => op.index === index);
    return ops < 0 ? [] : [{ ...anchor, ops }];
  });
}

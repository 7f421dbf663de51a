/**
 * Draws operations from rules. The draws depend on the seed, the CPU and the rules only, never on what the operations returned, so that
 * the same numbers give the same operations again.
 * Next: run_program.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { Prng } from '@faultlab/core/base/prng';
import {
  backingAt,
  isTouch,
  isWrite,
  namesFile,
  OP_COUNT_BUSTED,
  OP_COUNT_LOCKED,
  OP_FORK_GIVE,
  OP_FREAD,
  OP_FWRITE,
  OP_MEMORY_HIGH,
  OP_MEMORY_MAX,
  OP_MMAP,
  OP_MREMAP,
  OP_PROCESS_ROUND,
  OP_PROCESS_TREE,
  OP_PUNCH,
  OP_SIGNAL,
  OP_TRUNCATE,
  type Op,
  opKind,
} from './op.ts';
import type { DrawRule, FileUse, Ownership, Program, Region } from './program.ts';

/** Operations whose choices are memory cgroups; 0 is the run's own. */
const NAMES_MEMCG: ReadonlySet<number> = new Set([OP_MEMORY_MAX, OP_MEMORY_HIGH, OP_PROCESS_ROUND]);
/** Keeps the stream of a program apart from the one that the model itself draws from. */
const STREAM = 0x1000;
const NO_REGION: Region = { name: 'none', start: 0, pages: 1, initial: 'unmapped', layout: 'fixed', discards: 'mine', writes: 'none' };

export class OpSource {
  readonly #prng: Prng;
  readonly #rules: readonly DrawRule[];
  readonly #kinds: readonly number[];
  readonly #regions: readonly Region[];
  readonly #files: readonly FileUse[];
  readonly #weights: readonly number[];
  readonly #total: number;
  readonly #cpus: number;

  /** @throws UsageError when a rule names a region that the program does not have, or has no weight */
  constructor(rules: readonly DrawRule[], program: Program, seed: number, cpu: number, cpus: number) {
    this.#prng = new Prng(seed, STREAM + cpu);
    this.#rules = rules;
    this.#kinds = rules.map((rule) => opKind(rule.op));
    this.#files = program.files ?? [];
    this.#regions = rules.map((rule) => regionOf(rule, program));
    let total = 0;
    this.#weights = rules.map((rule) => {
      total += rule.weight;
      return total;
    });
    if (!(total > 0)) throw new UsageError('A program that draws its operations needs a rule with a weight above 0; add one.');
    this.#total = total;
    this.#cpus = cpus;
  }

  /** Fills in the next operation. The stamp of a write is left to the one who executes it. */
  draw(into: Op): void {
    const ticket = this.#prng.below(this.#total);
    let index = 0;
    while ((this.#weights[index] as number) <= ticket) index++;
    const rule = this.#rules[index] as DrawRule;
    const region = this.#regions[index] as Region;
    const kind = this.#kinds[index] as number;
    into.kind = kind;
    into.c = rule.choices === undefined ? 0 : this.#prng.pick(rule.choices);
    into.d = rule.flags ?? 0;
    into.e = 0;
    if (namesFile(kind)) {
      this.#inFile(into, rule, kind);
      return;
    }
    if (isTouch(kind)) {
      into.a = this.#page(region, isWrite(kind));
      into.b = 0;
    } else if (rule.region !== undefined) {
      this.#range(into, rule, region);
      if (kind === OP_MREMAP) this.#target(into, region);
      if (kind === OP_MMAP) into.e = backingAt(region.backing, into.a - region.start);
    } else this.#noRange(into, rule, kind);
  }

  /** A page to touch; for a write one that this CPU may write. */
  #page(region: Region, write: boolean): number {
    const { writes, start, pages } = region;
    return start + (write ? this.#owned(writes, pages) : this.#prng.below(pages));
  }

  #range(into: Op, rule: DrawRule, region: Region): void {
    if (rule.pages === 'whole') {
      into.a = region.start;
      into.b = region.pages;
      return;
    }
    const [least, most] = rule.pages ?? [1, 1];
    const align = rule.align ?? 1;
    into.b = this.#prng.between(least, most + 1);
    into.a = region.start + align * this.#prng.below(Math.floor((region.pages - into.b) / align) + 1);
  }

  /** mremap within a region: the other half is the target, so that the ranges cannot overlap. */
  #target(into: Op, region: Region): void {
    const half = region.pages >>> 1;
    const room = half - into.b;
    const low = region.start + this.#prng.below(room + 1);
    const high = region.start + half + this.#prng.below(room + 1);
    const upwards = this.#prng.chance(1, 2);
    into.a = upwards ? low : high;
    into.e = upwards ? high : low;
    into.c = into.b;
  }

  /** Pages to read or write, a new size, or a hole. */
  #inFile(into: Op, rule: DrawRule, kind: number): void {
    const file = rule.file ?? 0;
    const { pages, writes } = this.#files[file] as FileUse;
    into.a = file;
    into.b = 0;
    into.c = 0;
    const [least, most] = Array.isArray(rule.pages) ? (rule.pages as readonly [number, number]) : [1, pages];
    if (kind === OP_FREAD) into.b = this.#prng.below(pages);
    else if (kind === OP_FWRITE) into.b = this.#owned(writes, pages);
    else if (kind === OP_TRUNCATE) into.b = this.#prng.between(least, most + 1);
    else if (kind === OP_PUNCH) {
      into.c = this.#prng.between(least, most + 1);
      into.b = this.#prng.below(pages - into.c + 1);
    }
  }

  /** One of so many things, of those that this CPU may write. */
  #owned(writes: Ownership, count: number): number {
    if (typeof writes === 'string') return this.#prng.below(count);
    const mine = Math.floor((count - writes.offset + writes.step - 1) / writes.step);
    return writes.offset + writes.step * this.#prng.below(mine);
  }

  #noRange(into: Op, rule: DrawRule, kind: number): void {
    const [least, most] = Array.isArray(rule.pages) ? (rule.pages as readonly [number, number]) : [1, 1];
    into.a = this.#prng.between(least, most + 1);
    into.b = 0;
    if (kind === OP_FORK_GIVE || kind === OP_SIGNAL) into.a = this.#prng.below(this.#cpus);
    if (kind === OP_SIGNAL || kind === OP_PROCESS_TREE) into.b = into.c;
    if (NAMES_MEMCG.has(kind)) {
      into.b = into.c;
      into.c = 0;
    }
    if (kind === OP_COUNT_LOCKED || kind === OP_COUNT_BUSTED) into.a = most;
  }
}

function regionOf(rule: DrawRule, program: Program): Region {
  const files = program.files?.length ?? 0;
  if (namesFile(opKind(rule.op)) && (rule.file ?? 0) >= files) {
    throw new UsageError(`A rule for ${rule.op} names file ${rule.file ?? 0}, but the program has ${files}; number them from 0.`);
  }
  if (rule.region === undefined) return NO_REGION;
  const region = program.regions[rule.region];
  if (region === undefined) {
    throw new UsageError(
      `A rule for ${rule.op} names region ${rule.region}, but the program has ${program.regions.length}; number them from 0.`,
    );
  }
  if (rule.op === 'mremap' && Array.isArray(rule.pages) && rule.pages[1] > region.pages >>> 1) {
    throw new UsageError(
      `A rule for mremap moves up to ${rule.pages[1]} pages, more than half of region ${region.name}; lower the number.`,
    );
  }
  return region;
}

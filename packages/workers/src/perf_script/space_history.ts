/**
 * What happened so far in one address space: its changes in their order, which change touched a page last, and the
 * faults that no change has waited for yet.
 * Next: order.ts
 */

import { IntervalMap } from './interval_map.ts';
import type { PageRange } from './ranges.ts';

/** Faults are kept per block of 512 pages, packed as op * BLOCK_PAGES + page in the block. */
const BLOCK_PAGES = 512;
/** A block with more entries than this is thinned out to the last fault of each thread on each page. */
const BLOCK_ENTRIES_MAX = 4096;
const NONE = -1;

export class SpaceHistory {
  private readonly threadOf: Int32Array;
  /** The ops that changed the address space, in order. */
  private readonly changes: number[] = [];
  /** Index in `changes` of the last change of each page, where that is later than `lastWhole`. */
  private readonly touched = new IntervalMap();
  private lastWhole = NONE;
  /** The last change that a thread is known to run after, as an index in `changes`. */
  private readonly seen = new Map<number, number>();
  private readonly blocks = new Map<number, number[]>();
  private readonly lastOf = new Map<number, number>();

  constructor(threadOf: Int32Array) {
    this.threadOf = threadOf;
  }

  /** The change that a fault of `thread` on `page` has to wait for, or -1. */
  lastChange(thread: number, page: number): number {
    return this.see(thread, this.touched.get(page) ?? this.lastWhole);
  }

  /** The change that the next change, by `thread`, has to wait for, or -1. */
  previousChange(thread: number): number {
    return this.see(thread, this.changes.length - 1);
  }

  change(op: number, thread: number, ranges: readonly PageRange[]): void {
    const index = this.changes.push(op) - 1;
    for (const { start, end } of ranges) this.touched.assign(start, end, index);
    this.seen.set(thread, index);
  }

  /** A change of everything, which everything before has been waited for. */
  changeAll(op: number, thread: number): void {
    this.lastWhole = this.changes.push(op) - 1;
    this.touched.empty();
    this.blocks.clear();
    this.seen.set(thread, this.lastWhole);
  }

  fault(op: number, page: number): void {
    const block = Math.floor(page / BLOCK_PAGES);
    const entries = this.blocks.get(block);
    const entry = op * BLOCK_PAGES + (page % BLOCK_PAGES);
    if (entries === undefined) this.blocks.set(block, [entry]);
    else if (entries.push(entry) % BLOCK_ENTRIES_MAX === 0) this.blocks.set(block, this.thinned(entries));
  }

  /** The last operation of each thread so far. */
  lastOps(): Iterable<number> {
    return this.lastOf.values();
  }

  ran(thread: number, op: number): void {
    this.lastOf.set(thread, op);
  }

  /** Faults in the range that a change has to wait for: they follow from that change from now on, so they are forgotten. */
  *takeFaults({ start, end }: PageRange): Generator<number> {
    const first = Math.floor(start / BLOCK_PAGES);
    const last = Math.floor((end - 1) / BLOCK_PAGES);
    const few = last - first < this.blocks.size;
    const blocks = few
      ? Array.from({ length: last - first + 1 }, (_, index) => first + index)
      : [...this.blocks.keys()].filter((block) => block >= first && block <= last);
    for (const block of blocks) {
      const entries = this.blocks.get(block);
      if (entries === undefined) continue;
      const base = block * BLOCK_PAGES;
      const inside = (entry: number): boolean => base + (entry % BLOCK_PAGES) >= start && base + (entry % BLOCK_PAGES) < end;
      const kept = base >= start && base + BLOCK_PAGES <= end ? [] : entries.filter((entry) => !inside(entry));
      if (kept.length === 0) this.blocks.delete(block);
      else this.blocks.set(block, kept);
      for (const entry of entries) if (inside(entry)) yield Math.floor(entry / BLOCK_PAGES);
    }
  }

  private see(thread: number, index: number): number {
    if (index <= (this.seen.get(thread) ?? NONE)) return NONE;
    this.seen.set(thread, index);
    return this.changes[index] as number;
  }

  private thinned(entries: readonly number[]): number[] {
    const last = new Map<string, number>();
    for (const entry of entries) last.set(`${this.threadOf[Math.floor(entry / BLOCK_PAGES)]}/${entry % BLOCK_PAGES}`, entry);
    return [...last.values()];
  }
}

/**
 * More waits than order.ts asks for, so that areas merge as they did in the trace. Whether two areas may become one depends on their
 * anon_vmas, and an area gets its anon_vma from the first write to any of its pages:
 *
 *   thread A                        thread B
 *   1 first write to X: anon_vma a
 *   2 maps Z between X and Y        <- decides: Y has no anon_vma yet, so X, Z and Y become one
 *                                   3 first write to Y; if it came before 2, Y would have an anon_vma of its own and stay apart
 *
 * So the first write to an area takes its place in the chain of changes, and later writes to that area wait for it.
 * @kernel mm/vma.c is_mergeable_anon_vma(); mm/rmap.c find_mergeable_anon_vma()
 * Next: replay_plan.ts
 */
import { PF_WRITE, pageOf } from '../perf_script/events.ts';
import { type Growing, growingInt32 } from '../perf_script/growing.ts';
import { IntervalMap } from '../perf_script/interval_map.ts';
import type { Order, ThreadWaits } from '../perf_script/order.ts';
import { createdBy, type PageRange, pagesOfArea, removedBy, succeeded } from '../perf_script/ranges.ts';
import { type CallDetail, type Detail, detailOf, OpKind, type Timeline } from '../perf_script/timeline.ts';

const NONE = -1;

/** The waits of `order`, by thread, and those for first writes. All of them point backwards in the order of effects. */
export function waitsForAreas(timeline: Timeline, order: Order): ThreadWaits[] {
  return new AnonOrder(timeline, order).run();
}

/** The areas of one address space, each with the operation that gave it its anon_vma. */
interface SpaceAreas {
  readonly areas: IntervalMap;
  /** The last change or first write. */
  lastLink: number;
}

interface Collected {
  readonly start: Uint32Array;
  readonly thread: Growing<Int32Array>;
  readonly count: Growing<Int32Array>;
  readonly known: Map<number, number>;
}

class AnonOrder {
  readonly #timeline: Timeline;
  readonly #order: Order;
  readonly #spaces = new Map<number, SpaceAreas>();
  /** By the number of an area: who gave it its anon_vma. */
  readonly #preparedBy: number[] = [];
  readonly #collected: Collected[];

  constructor(timeline: Timeline, order: Order) {
    this.#timeline = timeline;
    this.#order = order;
    this.#collected = timeline.threads.map(({ ops }) => ({
      start: new Uint32Array(ops.length + 1),
      thread: growingInt32(),
      count: growingInt32(),
      known: new Map(),
    }));
  }

  run(): ThreadWaits[] {
    for (const op of this.#order.effects.order) this.#write(op, this.#need(op));
    return this.#collected.map(({ start, thread, count }) => ({ start, thread: thread.finish(), count: count.finish() }));
  }

  /** The operation that `op` has to wait for besides those of `order`, or NONE. */
  #need(op: number): number {
    const { ops } = this.#timeline;
    const space = ops.space[op] as number;
    if (ops.kind[op] === OpKind.fault) return this.#fault(op, this.#of(space));
    const detail = detailOf(this.#timeline, op);
    if (detail.kind === 'clone' || (detail.kind === 'exit' && !detail.last)) return NONE;
    const own = this.#of(space);
    const before = own.lastLink;
    own.lastLink = op;
    if (detail.kind === 'fork') this.#spaces.set(detail.childSpace, this.#copyOf(own, op));
    else if (detail.kind === 'exec' || detail.kind === 'exit') this.#spaces.delete(space);
    else this.#change(own.areas, op, detail);
    return before;
  }

  #fault(op: number, own: SpaceAreas): number {
    const { ops, growth } = this.#timeline;
    const record = growth.get(op);
    if (record !== undefined) this.#merge(own.areas, op, pagesOfArea(record));
    const writes = ((ops.code[op] as number) & PF_WRITE) !== 0;
    const area = own.areas.get(pageOf(ops.value[op] as number));
    if (area === undefined || (!writes && record === undefined)) return NONE;
    const preparedBy = this.#preparedBy[area] as number;
    if (preparedBy !== NONE && record === undefined) return preparedBy;
    if (preparedBy === NONE) this.#preparedBy[area] = op;
    const before = own.lastLink;
    own.lastLink = op;
    return before;
  }

  #change(areas: IntervalMap, op: number, detail: Detail): void {
    if (detail.kind === 'area') this.#replace(areas, pagesOfArea(detail.record));
    if (detail.kind !== 'call') return;
    const created = createdBy(detail);
    const source = detail.args.call === 'mremap' && succeeded(detail) ? areas.get(pageOf(detail.args.addr)) : undefined;
    const removed = removedBy(detail);
    areas.erase(removed.start, removed.end);
    this.#split(areas, removed);
    if (created.start < created.end) this.#replace(areas, created, source === undefined ? NONE : (this.#preparedBy[source] as number));
    for (const record of (detail as CallDetail).records) this.#merge(areas, op, pagesOfArea(record));
  }

  /** A new area over whatever was there. */
  #replace(areas: IntervalMap, { start, end }: PageRange, preparedBy: number = NONE): void {
    areas.assign(start, end, this.#preparedBy.push(preparedBy) - 1);
    this.#split(areas, { start, end });
  }

  /** What was cut out of the middle of an area leaves two, and each gets an anon_vma for itself if there was none. */
  #split(areas: IntervalMap, { start, end }: PageRange): void {
    const left = areas.get(start - 1);
    if (start >= end || left === undefined || areas.get(end) !== left) return;
    const right = this.#preparedBy.push(this.#preparedBy[left] as number) - 1;
    areas.update(end, Number.POSITIVE_INFINITY, (area) => (area === left ? right : area));
  }

  /** What lies in the range is one area now. If a part had an anon_vma, the others have it by this operation. */
  #merge(areas: IntervalMap, op: number, { start, end }: PageRange): void {
    const parts = new Set<number>();
    areas.update(start, end, (area) => {
      parts.add(area);
      return area;
    });
    const prepared = Array.from(parts, (area) => this.#preparedBy[area] as number).filter((by) => by !== NONE);
    const [only = NONE] = prepared;
    this.#replace(areas, { start, end }, prepared.length > 0 && parts.size > 1 ? op : only);
  }

  #copyOf(parent: SpaceAreas, fork: number): SpaceAreas {
    const areas = new IntervalMap();
    for (const [start, end, area] of parent.areas.entries()) {
      this.#replace(areas, { start, end }, this.#preparedBy[area] === NONE ? NONE : fork);
    }
    return { areas, lastLink: fork };
  }

  /** Adds the wait for `needed` to those that the operation has anyway, as far as they say anything new. */
  #write(op: number, needed: number): void {
    const { ops } = this.#timeline;
    const thread = ops.thread[op] as number;
    const seq = ops.seq[op] as number;
    const own = this.#collected[thread] as Collected;
    const given = this.#order.waits[thread] as ThreadWaits;
    for (let index = given.start[seq] as number; index < (given.start[seq + 1] as number); index++) {
      add(own, thread, given.thread[index] as number, given.count[index] as number);
    }
    if (needed !== NONE) add(own, thread, ops.thread[needed] as number, (ops.seq[needed] as number) + 1);
    own.start[seq + 1] = own.thread.length;
  }

  #of(space: number): SpaceAreas {
    const known = this.#spaces.get(space);
    if (known !== undefined) return known;
    const fresh = { areas: new IntervalMap(), lastLink: NONE };
    this.#spaces.set(space, fresh);
    return fresh;
  }
}

function add(own: Collected, thread: number, other: number, count: number): void {
  if (other === thread || (own.known.get(other) ?? 0) >= count) return;
  own.known.set(other, count);
  own.thread.push(other);
  own.count.push(count);
}

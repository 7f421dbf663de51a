/**
 * The order in which locks were really taken, learned while a machine runs with cpu.verify: an edge says that a task that held a lock of the
 * one class waited, or was ready to wait, for a lock of the other. Edges stay until the machine ends, so that orders which met in different
 * runs are seen together. A cycle among them is a deadlock that has not happened yet.
 * @kernel kernel/locking/lockdep.c (struct lock_list, check_noncircular())
 * @fidelity reduced: classes of sleeping locks; an edge keeps the CPU and the kind of operation that was first, no call sites
 * Next: locking/lockdep.ts adds the edges
 */
import { assert } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, READ_ONCE } from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import { PC_OP_KIND } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { LOCK_CLASSES, LOCK_CLASSES_MAX, type LockClass, lockClassName } from './lock_class.ts';

assert(LOCK_CLASSES_MAX ** 2 <= RECORD_WORDS.lockOrder, 'lock_order_graph: the region has too few words');

const UNSEEN = 0;
const CPU_BITS = 10;
const CPU_MASK = (1 << CPU_BITS) - 1;

export interface LockOrderEdge {
  /** Class of the lock that was held. */
  readonly held: LockClass;
  /** Class of the lock that was taken while it was held. */
  readonly taken: LockClass;
  /** Who was the first. */
  readonly cpu: number;
  /** Kind of the operation that the first was in, as its program counts them. */
  readonly opKind: number;
}

/** Remembers that this CPU takes a lock of class `taken` while it holds one of class `held`. Any context; never sleeps. */
export function noteLockOrder(cpu: Cpu, held: LockClass, taken: LockClass): void {
  const word = (cpu.memory.layout.regions.lockOrder.base + held * LOCK_CLASSES_MAX + taken) as Word;
  if (READ_ONCE(cpu, word) !== UNSEEN) return;
  const first = 1 + (((cpu.words[cpu.percpu + PC_OP_KIND] as number) << CPU_BITS) | (cpu.id & CPU_MASK));
  atomic_cmpxchg(cpu, word, UNSEEN, first); // Alone: whoever comes second changes nothing.
}

/** The edges seen so far, by class. Any time; others may still add some. */
export function readLockOrder(memory: SharedMemory): LockOrderEdge[] {
  const { base } = memory.layout.regions.lockOrder;
  const edges: LockOrderEdge[] = [];
  for (let held = 0; held < LOCK_CLASSES.length; held++) {
    for (let taken = 0; taken < LOCK_CLASSES.length; taken++) {
      const seen = memory.words[base + held * LOCK_CLASSES_MAX + taken] as number;
      if (seen !== UNSEEN) edges.push({ held, taken, cpu: (seen - 1) & CPU_MASK, opKind: (seen - 1) >>> CPU_BITS });
    }
  }
  return edges;
}

/** Both graphs together; of an edge in both, the first's account. */
export function mergeLockOrders(first: readonly LockOrderEdge[], second: readonly LockOrderEdge[]): LockOrderEdge[] {
  const known = new Set(first.map(edgeKey));
  return [...first, ...second.filter((edge) => !known.has(edgeKey(edge)))].sort((a, b) => edgeKey(a) - edgeKey(b));
}

const edgeKey = ({ held, taken }: LockOrderEdge): number => held * LOCK_CLASSES_MAX + taken;

/**
 * A way through the graph that comes back to where it began, as the classes on it, the first one repeated at the end; undefined when there is
 * none. Classes whose locks may nest among themselves (`nests`) do not count as their own successors.
 * @kernel check_noncircular()
 */
export function lockOrderCycle(edges: readonly LockOrderEdge[]): readonly LockClass[] | undefined {
  const next = new Map<LockClass, LockClass[]>();
  for (const { held, taken } of edges) {
    if (held === taken && LOCK_CLASSES[held]?.nests) continue;
    next.set(held, [...(next.get(held) ?? []), taken]);
  }
  const done = new Set<LockClass>();
  const visit = (at: LockClass, path: readonly LockClass[]): readonly LockClass[] | undefined => {
    const seenAt = path.indexOf(at);
    if (seenAt >= 0) return [...path.slice(seenAt), at];
    if (done.has(at)) return undefined;
    for (const to of next.get(at) ?? []) {
      const cycle = visit(to, [...path, at]);
      if (cycle !== undefined) return cycle;
    }
    done.add(at);
    return undefined;
  };
  for (const start of next.keys()) {
    const cycle = visit(start, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** `folio -> i_mmap -> folio` */
export const lockOrderText = (path: readonly LockClass[]): string => path.map(lockClassName).join(' -> ');

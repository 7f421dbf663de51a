/** Counts the atomic operations on a memory, by putting counting functions in front of it. Slower; for counting only. */
import type { AtomicOps } from '@faultlab/core/memory/atomic_ops';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';

export interface AtomicCounts {
  total: number;
}

/** The same memory, counted. */
export function countAtomics(memory: SharedMemory): { memory: SharedMemory; counts: AtomicCounts } {
  const counts: AtomicCounts = { total: 0 };
  const counted =
    <Args extends number[], Result>(operation: (...args: Args) => Result) =>
    (...args: Args): Result => {
      counts.total++;
      return operation(...args);
    };
  const { load, store, add, and, or, xchg, cmpxchg, incNotZeroLimited } = memory.ops;
  const ops: AtomicOps = {
    load: counted(load),
    store: counted(store),
    add: counted(add),
    and: counted(and),
    or: counted(or),
    xchg: counted(xchg),
    cmpxchg: counted(cmpxchg),
    incNotZeroLimited: counted(incNotZeroLimited),
  };
  return { memory: Object.create(memory, { ops: { value: ops } }) as SharedMemory, counts };
}

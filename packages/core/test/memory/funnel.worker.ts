/** One thread of the contention test: every kind of read-modify-write on shared words, so that any lost one shows in a sum. */
import type { AtomicOps } from '@faultlab/core/memory/atomic_ops';
import { plainAtomicOps } from '@faultlab/core/memory/atomic_ops';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';

export interface FunnelOrder {
  readonly handle: MemoryHandle;
  readonly cpu: number;
  readonly rounds: number;
  readonly plainOps: boolean;
}

export interface FunnelReport {
  readonly bitsLost: number;
  readonly pinned: number;
  readonly tokensSeen: number;
}

const LIMIT = 10_000;

export default function run(order: FunnelOrder): FunnelReport {
  const memory = attachMemory(order.handle);
  const ops: AtomicOps = order.plainOps ? plainAtomicOps(memory.words) : memory.ops;
  const at = (word: number): number => (memory.userAt + word) << 2;
  const bit = 1 << order.cpu;
  let bitsLost = 0;
  let pinned = 0;
  let tokensSeen = 0;
  ops.cmpxchg(at(3), 0, 1);
  for (let round = 0; round < order.rounds; round++) {
    ops.add(at(0), 1);
    for (let seen = ops.load(at(1)); ; ) {
      const before = ops.cmpxchg(at(1), seen, seen + 1);
      if (before === seen) break;
      seen = before;
    }
    if ((ops.or(at(2), bit) & bit) !== 0) bitsLost++;
    if ((ops.and(at(2), ~bit) & bit) === 0) bitsLost++;
    const before = ops.incNotZeroLimited(at(3), LIMIT);
    if (before > 0 && before < LIMIT) pinned++;
    // A token goes in; whatever was inside comes out.
    tokensSeen += ops.xchg(at(4), 1);
  }
  return { bitsLost, pinned, tokensSeen };
}

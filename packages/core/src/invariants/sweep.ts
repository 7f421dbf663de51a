/**
 * Looks at every record of a machine at rest and says which invariants are broken. Reads only. Next to the checks that run all the time,
 * these see what no single operation can: that the whole adds up.
 * @kernel none: the nearest are mm/debug.c, lib/maple_tree.c mt_validate(), and the leak checks at module exit
 * @fidelity ours; the ids are explained in docs/INVARIANTS.md
 * Next: invariants/sweep_state.ts
 */
import type { Cpu } from '../cpu.ts';
import { sweepCaches } from './caches.ts';
import { sweepCounters } from './counters.ts';
import { sweepDriverBuffers } from './driver_buffers.ts';
import { sweepEntries } from './entries.ts';
import { sweepFilePages } from './files.ts';
import { sweepFrames } from './frames.ts';
import { sweepLockOrder } from './lock_order.ts';
import { sweepLocksFree } from './locks_free.ts';
import { sweepLru } from './lru.ts';
import { sweepMmapLocks } from './mmap_locks.ts';
import { sweepPageTables } from './page_tables.ts';
import { sweepProcesses } from './processes.ts';
import { sweepRcu } from './rcu.ts';
import { sweepRmap } from './rmap.ts';
import { sweepSwap } from './swap.ts';
import { SweepState, type Violation } from './sweep_state.ts';
import { sweepTlbs } from './tlb.ts';
import { sweepUserfaultfds } from './userfaultfds.ts';
import { sweepVmaLocks } from './vma_locks.ts';
import { sweepVmaTrees } from './vma_tree.ts';

export type { Violation } from './sweep_state.ts';

/**
 * The broken invariants of the machine that a CPU belongs to, in the order in which they were found; none if all is well.
 * The machine is at rest: no other CPU runs, no operation is under way, deferred work is done (rcu_barrier() on every CPU). It may have
 * live address spaces. All CPUs ran the policy of this one.
 */
export function sweep(cpu: Cpu): Violation[] {
  const state = new SweepState(cpu);
  if (cpu.memory.size.mms > 0) {
    sweepVmaTrees(state);
    sweepVmaLocks(state);
    sweepMmapLocks(state);
    sweepPageTables(state);
    sweepEntries(state);
    sweepFilePages(state);
    sweepLru(state);
    sweepFrames(state);
    sweepSwap(state);
    sweepRmap(state);
    sweepDriverBuffers(state);
    sweepTlbs(state);
    sweepUserfaultfds(state);
    sweepProcesses(state);
    sweepCaches(state);
  }
  sweepLocksFree(state);
  sweepLockOrder(state);
  sweepRcu(state);
  sweepCounters(state);
  return state.violations;
}

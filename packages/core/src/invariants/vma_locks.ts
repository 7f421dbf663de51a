/**
 * Q02, I04, I05: at rest nobody reads or writes an area: one reference for the attachment, no writer's flag, and a stamp of the past.
 * Next: invariants/mmap_locks.ts
 */
import { mmLockSeqWord } from '../mm/mm_struct.ts';
import { vmLockSeqWord, vmLockWord, vmRefcntWord } from '../mm/vm_area_struct.ts';
import { VM_REFCNT_LIMIT } from '../mm/vma_lock_refcount.ts';
import { VMA_CACHE } from '../slab/caches.ts';
import { cacheSlots, isAllocated } from '../slab/kmem_cache.ts';
import { rwsemProblem } from './locks_free.ts';
import type { AreaSeen, SpaceSeen, SweepState } from './sweep_state.ts';

export function sweepVmaLocks(state: SweepState): void {
  for (const space of state.spaces) {
    for (const area of space.areas) sweepAttached(state, space, area);
  }
  const { m } = state;
  const slots = cacheSlots(m, VMA_CACHE);
  for (let vma = 1; vma <= slots; vma++) {
    const refcnt = m.words[vmRefcntWord(m, vma as never)];
    if (refcnt !== 0 && !isAllocated(m, VMA_CACHE, vma)) state.report('I04', `area ${vma} is free, but its count is ${refcnt}`);
  }
}

function sweepAttached(state: SweepState, { mm }: SpaceSeen, { vma }: AreaSeen): void {
  const { cpu, m } = state;
  const design = cpu.policy.vmaLock;
  const where = `mm ${mm}: area ${vma}`;
  const refcnt = m.words[vmRefcntWord(m, vma)] as number;
  const wanted = design === 'refcount' ? 1 : 0;
  if (refcnt < 0 || refcnt > VM_REFCNT_LIMIT) state.report('I04', `${where} has the count ${refcnt}: a writer's flag without a writer`);
  else if (refcnt !== wanted) state.report('Q02', `${where} has the count ${refcnt} instead of ${wanted}`);
  const problem = rwsemProblem(m, vmLockWord(m, vma));
  if (problem !== undefined) state.report('Q02', `${where}: its rwsem ${problem}`);
  if (design === 'none') return;
  const stamp = m.words[vmLockSeqWord(m, vma)] as number;
  const sequence = m.words[mmLockSeqWord(m, mm)] as number;
  // Stamped before it became visible, by a section that has ended. Numbers wrap around.
  if ((stamp & 1) === 0 || ((sequence - stamp) | 0) <= 0) state.report('I05', `${where} has the stamp ${stamp} at sequence ${sequence}`);
}

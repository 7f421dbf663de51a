/**
 * The token of an area: with cpu.verify, a task whose fault has dropped its lock may not read the area's record any more, by whatever way it remembers
 * the area. The record is not guarded by a test in each accessor; the CPU's own view of all records is exchanged instead, for as long as an area is
 * revoked, for one that looks at every access. Without verify there is no view of its own and no cost.
 *
 *   faulting CPU                              another CPU
 *   1 drops the fault lock: revoked
 *                                             2 unmaps the area, reuses its slot
 *   3 reads vm_flags of the slot   <- decides: an error at once, also when step 2 did not happen this time
 *
 * What may read it all the same: a lookup inside an RCU read section, which proves afterwards what it found, and whoever holds a lock that keeps areas
 * as they are - mmap_lock, i_mmap or anon_vma (reverse maps), or the area's own lock, taken anew.
 *
 * @kernel none: the kernel trusts its authors here, and KASAN
 * @fidelity ours
 * Next: fault/fault_lock.ts
 */
import { invariant } from '../base/assert.ts';
import type { VmaId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldMode, holdsClass, MODE_NONE } from '../locking/held_locks.ts';
import { LOCK_ANON_VMA, LOCK_I_MMAP, LOCK_MMAP } from '../locking/lock_class.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedWords } from '../memory/shared_words.ts';
import { vmRefcntWord } from './vm_area_struct.ts';

/** The part of a CPU's memory that is exchanged. */
type View = { vmas: SharedWords };

const viewOf = (cpu: Cpu): View => cpu.memory as View;

/** From now on this CPU does not read the area without a lock. Call it only with cpu.verify. @locks any */
export function revokeArea(cpu: Cpu, vma: VmaId): void {
  restoreAreas(cpu);
  const { vmas } = cpu.memory;
  const first = vma * RECORD_WORDS.vma;
  cpu.revoked = vmas;
  viewOf(cpu).vmas = new Proxy(vmas, {
    get(target, key) {
      const word = typeof key === 'string' ? Number(key) - first : Number.NaN;
      if (word >= 0 && word < RECORD_WORDS.vma) {
        invariant(mayReadArea(cpu, vma), 'I10', 'the record of an area is read after the lock of the fault was dropped');
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}

/** The fault is over, or its next attempt begins: nobody remembers the area. */
export function restoreAreas(cpu: Cpu): void {
  if (cpu.revoked === null) return;
  viewOf(cpu).vmas = cpu.revoked;
  cpu.revoked = null;
}

function mayReadArea(cpu: Cpu, vma: VmaId): boolean {
  if (cpu.rcuNesting > 0 || heldMode(cpu, vmRefcntWord(cpu.memory, vma)) !== MODE_NONE) return true;
  return holdsClass(cpu, LOCK_MMAP) || holdsClass(cpu, LOCK_ANON_VMA) || holdsClass(cpu, LOCK_I_MMAP);
}

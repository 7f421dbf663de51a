/**
 * Checks of address spaces that cost more than a compare; only with cpu.verify.
 * Next: mm/vma_lock_checks.ts
 */
import { invariant } from '../base/assert.ts';
import type { CpuId, MmId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { MODE_WRITE, readHeld } from '../locking/held_locks.ts';
import { RWSEM_READER_MASK, RWSEM_WRITER_LOCKED } from '../locking/rwsem_word.ts';
import { atomic_read } from '../memory/atomic.ts';
import { MM_CACHE } from '../slab/caches.ts';
import { isAllocated } from '../slab/kmem_cache.ts';
import { mmapLockWord } from './mm_struct.ts';
import { findPteTable, PMD_PAGES, pteWord } from './page_table.ts';
import { vm_end, vm_start } from './vm_area_struct.ts';

/** Another CPU writes its list of held locks without barriers: one look may see half of a change, so a suspicion needs several. */
const LOOKS = 4;

/** I01, I02, I28: mmap_lock was just taken; the count and the lists of all other CPUs must allow that. @locks in: mmap_lock in that mode */
export function checkMmapOwners(cpu: Cpu, mm: MmId, mode: number): void {
  const m = cpu.memory;
  const word = mmapLockWord(m, mm);
  invariant(isAllocated(m, MM_CACHE, mm), 'I28', 'mmap_lock was taken of an address space that is gone');
  const count = atomic_read(cpu, word); // Alone: the part that is looked at cannot change while we own the lock.
  const agrees =
    mode === MODE_WRITE ? (count & RWSEM_WRITER_LOCKED) !== 0 : (count & RWSEM_WRITER_LOCKED) === 0 && (count & RWSEM_READER_MASK) !== 0;
  invariant(agrees, 'I02', 'the count of mmap_lock does not show its new owner');
  let looks = 0;
  while (looks < LOOKS && otherOwner(cpu, word, mode)) looks++;
  invariant(looks < LOOKS, 'I01', 'mmap_lock was taken while another CPU owns it in a way that excludes this');
}

/** Does another CPU list the lock, in a mode that does not go with ours? */
function otherOwner(cpu: Cpu, word: Word, mode: number): boolean {
  atomic_read(cpu, word); // A barrier: each look is a new one.
  for (let other = 0; other < cpu.memory.size.cpus; other++) {
    if (other === cpu.id) continue;
    const held = readHeld(cpu.memory, other as CpuId).find((entry) => entry.word === word);
    if (held !== undefined && (mode === MODE_WRITE || held.mode === MODE_WRITE)) return true;
  }
  return false;
}

/** I23: no entry is left in the areas. @locks in: mmap_lock; the areas are detached and zapped */
export function checkNothingMapped(cpu: Cpu, mm: MmId, areas: readonly VmaId[]): void {
  const m = cpu.memory;
  for (const vma of areas) {
    for (let vpn = vm_start(m, vma) as number; vpn < vm_end(m, vma); ) {
      const tableEnd = Math.min((Math.floor(vpn / PMD_PAGES) + 1) * PMD_PAGES, vm_end(m, vma));
      const table = findPteTable(cpu, mm, vpn as Vpn);
      if (table !== NO_TABLE) {
        const first = pteWord(m, table, vpn as Vpn);
        for (let i = 0; i < tableEnd - vpn; i++)
          invariant(m.words[first + i] === 0, 'I23', 'a page is still mapped in an area that was unmapped');
      }
      vpn = tableEnd;
    }
  }
}

/** I28: an address space whose writer is about to be woken has not ended. @locks none: the caller says that something keeps it */
export function mmIsAlive(cpu: Cpu, mm: MmId): void {
  invariant(isAllocated(cpu.memory, MM_CACHE, mm), 'I28', 'the waiter of an address space is woken that is gone');
}

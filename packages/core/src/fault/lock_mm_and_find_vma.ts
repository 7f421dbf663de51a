/**
 * The slow entry: takes mmap_lock and finds the area, growing a stack if the page lies below one.
 * There is no upgrade from read to write: growth drops the lock, takes it for writing, and looks again at everything.
 *
 *   growing CPU                               another CPU
 *   1 mmap read: page is below a stack
 *   2 drops mmap read
 *                                             3 unmaps the stack, or grows it, or maps something below
 *   4 mmap write: looks the area up again     <- decides: only what it finds now counts
 *
 * @kernel mm/mmap_lock.c lock_mm_and_find_vma(); mm/vma.c expand_downwards(); mm/mmap.c expand_stack()
 * @fidelity faithful for areas that grow downwards; areas that grow upwards do not exist on x86
 * Next: fault/do_user_addr_fault.ts
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { __anon_vma_prepare, anon_vma_lock_write, anon_vma_unlock_write } from '../mm/anon_vma.ts';
import { mas_destroy, mas_find, mas_preallocate, mas_store_prealloc, mt_prev } from '../mm/maple_tree.ts';
import { locked_vm, mmTree, rlimit_as, rlimit_memlock, rlimit_stack, set_locked_vm, total_vm } from '../mm/mm_struct.ts';
import { MMAP_MIN_VPN, STACK_GUARD_GAP } from '../mm/mman.ts';
import {
  mmap_read_lock_killable,
  mmap_read_trylock,
  mmap_read_unlock,
  mmap_write_downgrade,
  mmap_write_lock_killable,
  mmap_write_unlock,
} from '../mm/mmap_lock.ts';
import { vm_end, vm_flags, vm_mm, vm_pgoff, vm_start, vma_anon_vma, vma_set_range } from '../mm/vm_area_struct.ts';
import { VM_ACCESS_FLAGS, VM_GROWSDOWN, VM_LOCKED } from '../mm/vm_flags.ts';
import { vm_stat_account } from '../mm/vma.ts';
import { vma_assert_write_locked, vma_start_write } from '../mm/vma_lock.ts';
import { MUTANT_B01, MUTANT_B04, MUTANT_B19 } from '../mutants/ids.ts';
import { count_vm_event, STACK_EXPANDED } from '../trace/counters.ts';
import { TRACE_STACK_EXPAND } from '../trace/events.ts';
import { at, BETWEEN_UNLOCK_AND_RELOCK } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';

/**
 * @locks in: nothing. out: mmap read when an area is returned, nothing with NO_VMA. May sleep; a fatal signal ends the wait with NO_VMA.
 */
export function lock_mm_and_find_vma(cpu: Cpu, mm: MmId, vpn: Vpn): VmaId {
  const m = cpu.memory;
  if (!mmap_read_trylock(cpu, mm) && mmap_read_lock_killable(cpu, mm) !== 0) return NO_VMA;
  const vma = mas_find(cpu, mmTree(m, mm), vpn);
  if (vma !== NO_VMA && vm_start(m, vma) <= vpn) return vma;
  if (vma !== NO_VMA && (vm_flags(m, vma) & VM_GROWSDOWN) !== 0) return expand_stack(cpu, mm, vpn);
  mmap_read_unlock(cpu, mm);
  return NO_VMA;
}

/**
 * Grows the stack above the page down to it, if it is still there when mmap_lock has been taken for writing.
 * @locks in: mmap read. out: mmap read when an area is returned, nothing with NO_VMA. May sleep; a fatal signal ends the wait with NO_VMA.
 */
export function expand_stack(cpu: Cpu, mm: MmId, vpn: Vpn): VmaId {
  if (growsUnderReadLock(cpu)) return growAsReader(cpu, mm, vpn);
  const m = cpu.memory;
  mmap_read_unlock(cpu, mm);
  at(cpu, BETWEEN_UNLOCK_AND_RELOCK);
  if (mmap_write_lock_killable(cpu, mm) !== 0) return NO_VMA;
  const vma = mas_find(cpu, mmTree(m, mm), vpn);
  const contains = vma !== NO_VMA && vm_start(m, vma) <= vpn;
  const grown = contains || (vma !== NO_VMA && (vm_flags(m, vma) & VM_GROWSDOWN) !== 0 && expand_downwards(cpu, vma, vpn) === 0);
  if (!grown) {
    mmap_write_unlock(cpu, mm);
    return NO_VMA;
  }
  mmap_write_downgrade(cpu, mm);
  return vma;
}

/** B01 and B19: stacks grow under mmap_lock for reading, as until 6.4. */
const growsUnderReadLock = (cpu: Cpu): boolean => cpu.mutant === MUTANT_B01 || cpu.mutant === MUTANT_B19;

/** @locks in: mmap read. out: the same, or nothing with NO_VMA */
function growAsReader(cpu: Cpu, mm: MmId, vpn: Vpn): VmaId {
  const vma = mas_find(cpu, mmTree(cpu.memory, mm), vpn);
  at(cpu, BETWEEN_UNLOCK_AND_RELOCK);
  if (expand_downwards(cpu, vma, vpn) === 0) return vma;
  mmap_read_unlock(cpu, mm);
  return NO_VMA;
}

/**
 * Extends a stack down to the page, if the gap to the area below and the limits allow it.
 * @locks in: mmap write. out: VMA write on the area. May sleep. @returns 0 or ENOMEM
 */
export function expand_downwards(cpu: Cpu, vma: VmaId, vpn: Vpn): number {
  const m = cpu.memory;
  const mm = vm_mm(m, vma);
  if (vpn < MMAP_MIN_VPN) return ENOMEM;
  const below = mt_prev(cpu, mmTree(m, mm), vm_start(m, vma));
  const crowded = below !== NO_VMA && vpn - vm_end(m, below) < STACK_GUARD_GAP;
  if (crowded && (vm_flags(m, below) & VM_GROWSDOWN) === 0 && (vm_flags(m, below) & VM_ACCESS_FLAGS) !== 0) return ENOMEM;
  if (below !== NO_VMA && vm_end(m, below) > vpn) return ENOMEM;
  if (vma_anon_vma(m, vma) === 0 && !__anon_vma_prepare(cpu, vma)) return ENOMEM;
  const grow = vm_start(m, vma) - vpn;
  if (acct_stack_growth(cpu, vma, grow) !== 0) return ENOMEM;
  if (!mas_preallocate(cpu, mmTree(m, mm), 1)) return ENOMEM;
  if (!growsUnderReadLock(cpu) && cpu.mutant !== MUTANT_B04) vma_start_write(cpu, vma);
  if (!growsUnderReadLock(cpu)) vma_assert_write_locked(cpu, vma);
  const anonVma = vma_anon_vma(m, vma);
  anon_vma_lock_write(cpu, anonVma);
  vma_set_range(m, vma, vpn, vm_end(m, vma), vm_pgoff(m, vma) - grow);
  vm_stat_account(cpu, mm, vm_flags(m, vma), grow);
  if ((vm_flags(m, vma) & VM_LOCKED) !== 0) set_locked_vm(m, mm, locked_vm(m, mm) + grow);
  mas_store_prealloc(cpu, mmTree(m, mm), vpn, vm_end(m, vma), vma);
  anon_vma_unlock_write(cpu, anonVma);
  mas_destroy(cpu);
  count_vm_event(cpu, STACK_EXPANDED);
  trace(cpu, TRACE_STACK_EXPAND, vma, vpn);
  return 0;
}

/** The limits on a stack: its own size, the address space, locked memory. */
function acct_stack_growth(cpu: Cpu, vma: VmaId, grow: number): number {
  const m = cpu.memory;
  const mm = vm_mm(m, vma);
  if (vm_pgoff(m, vma) < grow) return ENOMEM;
  if (total_vm(m, mm) + grow > rlimit_as(m, mm)) return ENOMEM;
  if (vm_end(m, vma) - vm_start(m, vma) + grow > rlimit_stack(m, mm)) return ENOMEM;
  if ((vm_flags(m, vma) & VM_LOCKED) !== 0 && locked_vm(m, mm) + grow > rlimit_memlock(m, mm)) return ENOMEM;
  return 0;
}

/**
 * The per-VMA lock: readers only try; a writer that holds mmap_lock drains them once, stamps the area with the current write sequence,
 * and all areas are released together when the sequence moves. Two designs exist; this file is what the rest of the model calls.
 * @kernel mm/mmap_lock.c, include/linux/mmap_lock.h
 * @fidelity faithful, see the two designs
 * Next: mm/vma_lock_refcount.ts (6.15 on), mm/vma_lock_rwsem.ts (6.4 to 6.14)
 */
import { invariant } from '../base/assert.ts';
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_ANON_VMA, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldAcquire, heldMode, heldRelease } from '../locking/held_locks.ts';
import { LOCK_VMA } from '../locking/lock_class.ts';
import { READ_ONCE } from '../memory/atomic.ts';
import { MUTANT_B05 } from '../mutants/ids.ts';
import { rcu_read_lock, rcu_read_unlock } from '../sched/rcu_state.ts';
import { count_vm_event, VMA_LOCK_ABORT, VMA_LOCK_MISS, VMA_WRITE_LOCKED, VMA_WRITE_WAITED } from '../trace/counters.ts';
import { TRACE_VMA_END_READ, TRACE_VMA_START_READ, TRACE_VMA_START_WRITE } from '../trace/events.ts';
import { AFTER_TREE_WALK, AFTER_VMA_LOCK, at, BEFORE_VMA_START_WRITE } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { mas_walk } from './maple_tree.ts';
import { mmTree } from './mm_struct.ts';
import { mmap_assert_write_locked, mmLockSeqHint } from './mmap_lock.ts';
import {
  set_vma_detached,
  vm_end,
  vm_flags,
  vm_mm,
  vm_start,
  vma_anon_vma,
  vma_is_anonymous,
  vmaAnonVmaOnce,
  vmLockSeqWord,
  vmRefcntWord,
} from './vm_area_struct.ts';
import { VM_UFFD_FLAGS } from './vm_flags.ts';
import { mayWaitForReaders, noReaderHolds } from './vma_lock_checks.ts';
import { refcountEndRead, refcountMarkAttached, refcountMarkDetached, refcountStartRead, refcountStartWrite } from './vma_lock_refcount.ts';
import { rwsemEndRead, rwsemStartRead, rwsemStartWrite } from './vma_lock_rwsem.ts';
import { type StartRead, VMA_CONTENDED, VMA_DETACHED, VMA_LOCKED } from './vma_start_read.ts';

const READ = 0;
// Copies: V8 folds a constant of this module into the machine code, an imported one it loads each time.
const LOCKED: StartRead = VMA_LOCKED;
const CLASS = LOCK_VMA;
const END_READ_EVENT = TRACE_VMA_END_READ;
/** A stamp that equals no sequence: stamps are odd, this is even. */
const NEVER_LOCKED = -2;

/** Prepares the lock words of a new area: not attached, not locked. @locks none; nobody can reach the area but a late reader of the slot */
export function vma_lock_init(cpu: Cpu, vma: VmaId): void {
  cpu.words[vmLockSeqWord(cpu.memory, vma)] = NEVER_LOCKED;
  set_vma_detached(cpu.memory, vma, true);
}

/**
 * Tries to take the VMA read lock. Never sleeps. May say contended wrongly, never locked wrongly.
 * @locks in: rcu read, or mmap read. out: on VMA_LOCKED adds the VMA read lock; RCU as before
 */
export function vma_start_read(cpu: Cpu, mm: MmId, vma: VmaId): StartRead {
  const answer = cpu.vmaRefcount ? refcountStartRead(cpu, mm, vma) : rwsemStartRead(cpu, mm, vma);
  if (answer === LOCKED) heldAcquire(cpu, CLASS, vmRefcntWord(cpu.memory, vma), READ);
  return answer;
}

/** Releases the VMA read lock. The area may be gone the instant after. @locks in: VMA read. out: nothing */
export function vma_end_read(cpu: Cpu, vma: VmaId): void {
  trace(cpu, END_READ_EVENT, vma);
  heldRelease(cpu, vmRefcntWord(cpu.memory, vma));
  if (cpu.vmaRefcount) refcountEndRead(cpu, vma);
  else rwsemEndRead(cpu, vma);
}

/**
 * Finds the area of a page and read-locks it without mmap_lock. NO_VMA means: anything at all looked odd, use mmap_lock.
 * @locks in: nothing. out: VMA read on success. Never sleeps.
 * @kernel lock_vma_under_rcu()
 */
export function lock_vma_under_rcu(cpu: Cpu, mm: MmId, vpn: Vpn): VmaId {
  const m = cpu.memory;
  for (;;) {
    rcu_read_lock(cpu);
    const vma = mas_walk(cpu, mmTree(m, mm), vpn); // R1
    if (cpu.mutant === MUTANT_B05 && vma !== NO_VMA && vma_is_anonymous(m, vma) && vma_anon_vma(m, vma) === NO_ANON_VMA) break;
    at(cpu, AFTER_TREE_WALK);
    if (vma === NO_VMA) break;
    const answer = vma_start_read(cpu, mm, vma); // R2 to R6, R8
    if (answer === VMA_DETACHED) {
      // The area was replaced between our walk and our look: a new walk, under a new read section, starts at the root (R3).
      rcu_read_unlock(cpu);
      count_vm_event(cpu, VMA_LOCK_MISS);
      continue;
    }
    if (answer === VMA_CONTENDED) break;
    rcu_read_unlock(cpu);
    at(cpu, AFTER_VMA_LOCK);
    // R7: pinned, and it is ours; does it still cover the page? Bounds cannot change from here on.
    if (vpn < vm_start(m, vma) || vpn >= vm_end(m, vma)) {
      vma_end_read(cpu, vma);
      return aborted(cpu, vpn);
    }
    if (!policyAllows(cpu, vma)) {
      vma_end_read(cpu, vma);
      return aborted(cpu, vpn);
    }
    if (cpu.verify) invariant(vm_flags(m, vma) !== 0, 'I21', 'a lookup found an area that is not complete yet');
    trace(cpu, TRACE_VMA_START_READ, vma, vpn, VMA_LOCKED);
    return vma;
  }
  rcu_read_unlock(cpu);
  return aborted(cpu, vpn);
}

/**
 * What the first version could not do under this lock. Tested with the lock held: before it, the area could still lose its anon_vma.
 */
function policyAllows(cpu: Cpu, vma: VmaId): boolean {
  const { policy, memory } = cpu;
  if (!policy.vmaLockUserfault && (vm_flags(memory, vma) & VM_UFFD_FLAGS) !== 0) return false;
  if (!vma_is_anonymous(memory, vma)) return policy.vmaLockFile !== 'no';
  return policy.anonVmaUnderVmaLock || vmaAnonVmaOnce(cpu, memory, vma) !== NO_ANON_VMA;
}

function aborted(cpu: Cpu, vpn: Vpn): VmaId {
  count_vm_event(cpu, VMA_LOCK_ABORT);
  trace(cpu, TRACE_VMA_START_READ, NO_VMA, vpn, VMA_CONTENDED);
  return NO_VMA;
}

/** Is the area write-locked by the mmap_lock section that is open now? @locks in: mmap write */
export function __is_vma_write_locked(cpu: Cpu, vma: VmaId): boolean {
  return READ_ONCE(cpu, vmLockSeqWord(cpu.memory, vma)) === mmLockSeqHint(cpu, vm_mm(cpu.memory, vma));
}

/**
 * Excludes readers of an area until the end of this mmap_lock write section. Again in the same section it returns at once.
 * @locks in: mmap write. out: adds the VMA write lock. Sleeps until the readers present have left.
 */
export function vma_start_write(cpu: Cpu, vma: VmaId): void {
  const m = cpu.memory;
  const mm = vm_mm(m, vma);
  mmap_assert_write_locked(cpu, mm);
  if (cpu.policy.vmaLock === 'none') return;
  at(cpu, BEFORE_VMA_START_WRITE);
  if (__is_vma_write_locked(cpu, vma)) return;
  invariant(heldMode(cpu, vmRefcntWord(m, vma)) !== READ, 'I11', 'vma_start_write: this CPU holds a VMA read lock on the same area');
  if (cpu.verify) mayWaitForReaders(cpu);
  const stamp = mmLockSeqHint(cpu, mm);
  const waited = cpu.vmaRefcount ? refcountStartWrite(cpu, vma, stamp) : rwsemStartWrite(cpu, vma, stamp);
  count_vm_event(cpu, VMA_WRITE_LOCKED);
  if (waited) count_vm_event(cpu, VMA_WRITE_WAITED);
  trace(cpu, TRACE_VMA_START_WRITE, vma, waited ? 1 : 0);
  if (cpu.verify) noReaderHolds(cpu, vma);
}

/** The area is write-locked by this CPU's section. */
export function vma_assert_write_locked(cpu: Cpu, vma: VmaId): void {
  mmap_assert_write_locked(cpu, vm_mm(cpu.memory, vma));
  if (cpu.policy.vmaLock === 'none') return;
  invariant(__is_vma_write_locked(cpu, vma), 'I06', 'an area is changed without its VMA write lock');
}

/** The area is about to become visible in the tree. @locks in: mmap write, and VMA write on it */
export function vma_mark_attached(cpu: Cpu, vma: VmaId): void {
  vma_assert_write_locked(cpu, vma);
  if (cpu.vmaRefcount) refcountMarkAttached(cpu, vma);
  set_vma_detached(cpu.memory, vma, false);
}

/**
 * The area leaves the tree. When this returns no reader holds or will get it. @locks in: mmap write, and VMA write on it. May sleep for
 * readers that are about to notice.
 */
export function vma_mark_detached(cpu: Cpu, vma: VmaId): void {
  vma_assert_write_locked(cpu, vma);
  set_vma_detached(cpu.memory, vma, true);
  if (cpu.vmaRefcount) refcountMarkDetached(cpu, vma);
}

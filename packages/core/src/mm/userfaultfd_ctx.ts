/**
 * A userfaultfd: the context that areas are registered with, the tasks that wait for it, and waking them.
 *
 *   line 0   reference count, address space, features, released, events under way
 *   line 1   spinlock, then the lists of mm/userfaultfd_wait.ts
 *   line 2   map_changing_lock: answers (shared) against the beginning of an event (exclusive)
 *
 * An area does not count as a reference: closing the context takes the areas off it first, under mmap_lock for writing. Whoever waits counts.
 * @kernel fs/userfaultfd.c struct userfaultfd_ctx, userfaultfd_ctx_get(), userfaultfd_ctx_put(), wake_userfault()
 * @fidelity reduced: one spinlock for all queues; the file descriptor is the context's number
 * Next: fault/handle_userfault.ts waits, syscalls/userfaultfd_read.ts reads
 */
import { assert } from '../base/assert.ts';
import type { CpuId, MmId, UffdId, Word } from '../base/brand.ts';
import { NO_UFFD } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { LOCK_MAP_CHANGING } from '../locking/lock_class.ts';
import { refcount_dec_and_test, refcount_inc, refcount_set } from '../locking/refcount.ts';
import { down_read, down_write, RWSEM_WORDS, up_read, up_write } from '../locking/rwsem.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_fetch_add, atomic_read, atomic_set } from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { wake_up_process } from '../sched/task.ts';
import { UFFD_CACHE } from '../slab/caches.ts';
import { kmem_cache_alloc, kmem_cache_free } from '../slab/kmem_cache.ts';
import { count_vm_event, USERFAULT_WAKES } from '../trace/counters.ts';
import { mmdrop, mmgrab } from './mm_struct.ts';
import {
  firstUffdWaiter,
  NO_UFFD_WAITER,
  nextUffdWaiter,
  removeUffdWaiter,
  UFFD_LIST_WORDS,
  UW_VPN,
  uffdWaiterField,
} from './userfaultfd_wait.ts';

/** Features of a context. @kernel include/uapi/linux/userfaultfd.h */
export const UFFD_FEATURE_EVENT_FORK = 0x2;
export const UFFD_FEATURE_EVENT_REMAP = 0x4;
export const UFFD_FEATURE_EVENT_REMOVE = 0x8;
export const UFFD_FEATURE_EVENT_UNMAP = 0x40;
/** Faults get SIGBUS at once; nobody waits. */
export const UFFD_FEATURE_SIGBUS = 0x80;
/** Write protection also covers pages that are not there, in anonymous memory. */
export const UFFD_FEATURE_WP_UNPOPULATED = 0x2000;

const REFCOUNT = 0;
const MM = 1;
const FEATURES = 2;
const RELEASED = 3;
const MMAP_CHANGING = 4;
const LOCK = 16;
const PENDING = 17;
const READ = PENDING + UFFD_LIST_WORDS;
const EVENTS = READ + UFFD_LIST_WORDS;
const READERS = EVENTS + UFFD_LIST_WORDS;
const MAP_CHANGING_LOCK = 32;
assert(MAP_CHANGING_LOCK + RWSEM_WORDS <= RECORD_WORDS.userfaultfd, 'userfaultfd_ctx: the record has another size in memory/layout.ts');

const at = (ctx: UffdId, field: number): number => ctx * RECORD_WORDS.userfaultfd + field;
const word = (m: SharedMemory, ctx: UffdId, field: number): Word => (m.userfaultfdsAt + at(ctx, field)) as Word;

/** The address space whose faults it handles. Constant. */
export const uffdMm = (m: SharedMemory, ctx: UffdId): MmId => m.userfaultfds[at(ctx, MM)] as MmId;
/** UFFD_FEATURE_* bits. Constant. */
export const uffdFeatures = (m: SharedMemory, ctx: UffdId): number => m.userfaultfds[at(ctx, FEATURES)] as number;
export const uffdLockWord = (m: SharedMemory, ctx: UffdId): Word => word(m, ctx, LOCK);
/** Faults that no handler has read. @locks uffdLockWord */
export const uffdPendingList = (m: SharedMemory, ctx: UffdId): Word => word(m, ctx, PENDING);
/** Faults that a handler has read and not answered. @locks uffdLockWord */
export const uffdReadList = (m: SharedMemory, ctx: UffdId): Word => word(m, ctx, READ);
/** Events that no handler has read. @locks uffdLockWord */
export const uffdEventList = (m: SharedMemory, ctx: UffdId): Word => word(m, ctx, EVENTS);
/** Handlers that wait for something to read. @locks uffdLockWord */
export const uffdReaderList = (m: SharedMemory, ctx: UffdId): Word => word(m, ctx, READERS);
export const mapChangingLockWord = (m: SharedMemory, ctx: UffdId): Word => word(m, ctx, MAP_CHANGING_LOCK);
/** Changes of the address space that have begun and that the handler has not been told of. Atomic. */
export const mmapChangingWord = (m: SharedMemory, ctx: UffdId): Word => word(m, ctx, MMAP_CHANGING);
export const uffdRefcountWord = (m: SharedMemory, ctx: UffdId): Word => word(m, ctx, REFCOUNT);

/** The context is being closed: a fault on it starts over. Pairs with: setUffdReleased(). */
export const uffdReleased = (cpu: Cpu, ctx: UffdId): boolean => atomic_read(cpu, word(cpu.memory, ctx, RELEASED)) !== 0;
/** From here on nobody begins to wait. Before the areas are taken off the context. Pairs with: uffdReleased(). */
export const setUffdReleased = (cpu: Cpu, ctx: UffdId): void => atomic_set(cpu, word(cpu.memory, ctx, RELEASED), 1);

/** A new context of an address space, with one reference: the caller's, who closes it. NO_UFFD when no slot is free. Pins the mm's record. */
export function allocUserfaultfd(cpu: Cpu, mm: MmId, features: number): UffdId {
  const m = cpu.memory;
  const ctx = kmem_cache_alloc(cpu, UFFD_CACHE) as UffdId;
  if (ctx === NO_UFFD) return NO_UFFD;
  m.userfaultfds.fill(0, at(ctx, 0), at((ctx + 1) as UffdId, 0));
  m.userfaultfds[at(ctx, MM)] = mm;
  m.userfaultfds[at(ctx, FEATURES)] = features;
  mmgrab(cpu, mm);
  refcount_set(cpu, uffdRefcountWord(m, ctx), 1);
  return ctx;
}

/** One more reference, by a holder of one or of the lock of an area that is registered with it. */
export const userfaultfd_ctx_get = (cpu: Cpu, ctx: UffdId): void => refcount_inc(cpu, uffdRefcountWord(cpu.memory, ctx));

/** One reference less; the last one frees the record. Never sleeps. */
export function userfaultfd_ctx_put(cpu: Cpu, ctx: UffdId): void {
  const m = cpu.memory;
  if (!refcount_dec_and_test(cpu, uffdRefcountWord(m, ctx))) return;
  for (const list of [uffdPendingList, uffdReadList, uffdEventList, uffdReaderList])
    assert(
      firstUffdWaiter(cpu, list(m, ctx)) === NO_UFFD_WAITER,
      'userfaultfd_ctx_put: somebody waits for a context that nobody refers to',
    );
  mmdrop(cpu, uffdMm(m, ctx));
  kmem_cache_free(cpu, UFFD_CACHE, ctx);
}

// --- events under way ------------------------------------------------------------------------------------------------------------------

/** Is a change of the address space under way that the handler does not know of yet? Then its answers are refused with EAGAIN. */
export const uffdMmapChanging = (cpu: Cpu, ctx: UffdId): boolean => atomic_read(cpu, mmapChangingWord(cpu.memory, ctx)) !== 0; // Pairs with: beginMmapChanging().

/** A change begins. Answers that are being carried out are finished first. @locks takes map_changing_lock for writing; may sleep */
export function beginMmapChanging(cpu: Cpu, ctx: UffdId): void {
  const lock = mapChangingLockWord(cpu.memory, ctx);
  down_write(cpu, lock, LOCK_MAP_CHANGING);
  atomic_fetch_add(cpu, mmapChangingWord(cpu.memory, ctx), 1); // Pairs with: uffdMmapChanging() under the lock.
  up_write(cpu, lock);
}

/** The handler knows of the change, or nobody can tell it any more. */
export function endMmapChanging(cpu: Cpu, ctx: UffdId): void {
  const before = atomic_fetch_add(cpu, mmapChangingWord(cpu.memory, ctx), -1); // Pairs with: uffdMmapChanging().
  assert(before > 0, 'endMmapChanging: no change was under way');
}

/** @locks out: map_changing_lock for reading. May sleep */
export const lockMapChanging = (cpu: Cpu, ctx: UffdId): void => down_read(cpu, mapChangingLockWord(cpu.memory, ctx), LOCK_MAP_CHANGING);
export const unlockMapChanging = (cpu: Cpu, ctx: UffdId): void => up_read(cpu, mapChangingLockWord(cpu.memory, ctx));

// --- waking ------------------------------------------------------------------------------------------------------------------------------

/**
 * Wakes the faults that wait for a page of [start, end), read or not. They are off the lists then, and start over.
 *
 *   waiting fault                             answering handler
 *   1 queues itself, announces its sleep
 *   2 looks at the tables: still empty
 *                                             3 fills the page
 *                                             4 finds the fault in the list, wakes it
 *   5 schedule(): returns at once             <- decides: queued before the look, filled before the search
 *
 * @locks takes the context's spinlock. Never sleeps. Pairs with: handle_userfault(). @returns how many
 */
export function wake_userfault(cpu: Cpu, ctx: UffdId, start: number, end: number): number {
  const m = cpu.memory;
  spin_lock(cpu, uffdLockWord(m, ctx));
  const woken = wakeRange(cpu, uffdPendingList(m, ctx), start, end) + wakeRange(cpu, uffdReadList(m, ctx), start, end);
  spin_unlock(cpu, uffdLockWord(m, ctx));
  return woken;
}

/** @locks in: the context's */
function wakeRange(cpu: Cpu, list: Word, start: number, end: number): number {
  let woken = 0;
  for (let waiter = firstUffdWaiter(cpu, list); waiter !== NO_UFFD_WAITER; ) {
    const next = nextUffdWaiter(cpu, waiter);
    const vpn = uffdWaiterField(cpu, waiter, UW_VPN);
    if (vpn >= start && vpn < end) {
      removeUffdWaiter(cpu, waiter);
      wake_up_process(cpu, (waiter - 1) as CpuId);
      count_vm_event(cpu, USERFAULT_WAKES);
      woken++;
    }
    waiter = next;
  }
  return woken;
}

/** Wakes everybody in a list; they take themselves off it. @locks in: the context's */
export function wakeUffdList(cpu: Cpu, list: Word): void {
  for (let waiter = firstUffdWaiter(cpu, list); waiter !== NO_UFFD_WAITER; waiter = nextUffdWaiter(cpu, waiter))
    wake_up_process(cpu, (waiter - 1) as CpuId);
}

/** There is something to read: wakes the handlers that wait. Pairs with: userfaultfd_ctx_read(). */
export function wakeUffdReaders(cpu: Cpu, ctx: UffdId): void {
  const m = cpu.memory;
  spin_lock(cpu, uffdLockWord(m, ctx));
  wakeUffdList(cpu, uffdReaderList(m, ctx));
  spin_unlock(cpu, uffdLockWord(m, ctx));
}

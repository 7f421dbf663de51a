/**
 * mm_struct: one address space - its lock, its write sequence, its tree of areas, its page tables, its limits.
 * @kernel include/linux/mm_types.h struct mm_struct; kernel/fork.c mm_init(), mmget(), mmput()
 * @fidelity reduced: one word per field; no exe file, no notifiers
 * Next: mm/mmap_lock.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { CpuId, MmId, TableId, Word } from '../base/brand.ts';
import { NO_MM } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import {
  atomic_fetch_add,
  atomic_fetch_and,
  atomic_fetch_or,
  atomic_inc_not_zero_limited,
  atomic_read,
  atomic_set,
} from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { MM_CACHE } from '../slab/caches.ts';
import { kmem_cache_alloc, kmem_cache_free } from '../slab/kmem_cache.ts';
import { DEFAULT_MAX_MAP_COUNT, TASK_SIZE_VPN } from './mman.ts';

const SHIFT = 7;
// Line 0: mmap_lock alone.
const MMAP_LOCK = 0;
// Line 1: what every fault reads.
const MM_LOCK_SEQ = 16;
const MM_MT = 17;
const PGD = 18;
const VMA_WRITER_WAIT = 19;
// Line 2: written under mmap_lock for writing.
const MAP_COUNT = 32;
const TOTAL_VM = 33;
const DATA_VM = 34;
const STACK_VM = 35;
const LOCKED_VM = 36;
const START_BRK = 37;
const BRK = 38;
const MMAP_BASE = 39;
const MAX_MAP_COUNT = 40;
const RLIMIT_AS = 41;
const RLIMIT_STACK = 42;
const RLIMIT_MEMLOCK = 43;
const RLIMIT_DATA = 44;
const DEF_FLAGS = 45;
// Line 3: counts and locks of their own.
const MM_USERS = 48;
const MM_COUNT = 49;
const PAGE_TABLE_LOCK = 50;
const FLAGS = 51;
const ANON_RSS = 52;
const FILE_RSS = 53;
const PGTABLES = 54;
const TLB_FLUSH_PENDING = 55;
const SWAP_ENTS = 56;
const SHMEM_RSS = 57;
const MEMCG = 58;
const OOM_SCORE_ADJ = 59;
const OOM_REAP_TRIES = 60;
// Line 4: CPUs that run on it, one bit each.
const CPUMASK = 64;
export const CPUMASK_WORDS = 16;

/** @kernel MMF_UNSTABLE: being reaped; private faults get SIGBUS */
export const MMF_UNSTABLE = 1;
/** @kernel MMF_OOM_SKIP: nothing more is to be had of it: its memory is given back, or cannot be reaped */
export const MMF_OOM_SKIP = 2;
/** @kernel signal_struct.oom_mm, of all tasks that run on it: killed for its memory */
export const MMF_OOM_VICTIM = 4;
/** @kernel MMF_OOM_REAP_QUEUED: the reaper has it on its list, and a pin on the record */
export const MMF_OOM_REAP_QUEUED = 8;
export const RLIM_INFINITY = 0x7fffffff;
const MM_USERS_MAX = 0x7fffffff;
assert(1 << SHIFT === RECORD_WORDS.mm, 'mm_struct: the record has another size in memory/layout.ts');

const at = (mm: MmId, field: number): number => (mm << SHIFT) + field;
const plain =
  (field: number) =>
  (m: SharedMemory, mm: MmId): number =>
    m.mms[at(mm, field)] as number;
const setter =
  (field: number) =>
  (m: SharedMemory, mm: MmId, value: number): void => {
    m.mms[at(mm, field)] = value;
  };
type Read = (m: SharedMemory, mm: MmId) => number;
type Write = (m: SharedMemory, mm: MmId, value: number) => void;

/** Areas in the tree. @locks mmap_lock */
export const map_count: Read = plain(MAP_COUNT);
export const set_map_count: Write = setter(MAP_COUNT);
/** Mapped pages. @locks mmap_lock */
export const total_vm: Read = plain(TOTAL_VM);
export const set_total_vm: Write = setter(TOTAL_VM);
export const data_vm: Read = plain(DATA_VM);
export const set_data_vm: Write = setter(DATA_VM);
export const stack_vm: Read = plain(STACK_VM);
export const set_stack_vm: Write = setter(STACK_VM);
export const locked_vm: Read = plain(LOCKED_VM);
export const set_locked_vm: Write = setter(LOCKED_VM);
export const start_brk: Read = plain(START_BRK);
export const set_start_brk: Write = setter(START_BRK);
export const mm_brk: Read = plain(BRK);
export const set_mm_brk: Write = setter(BRK);
/** Highest page for mmap without an address; the search goes down from here. */
export const mmap_base: Read = plain(MMAP_BASE);
export const set_mmap_base: Write = setter(MMAP_BASE);
export const max_map_count: Read = plain(MAX_MAP_COUNT);
export const set_max_map_count: Write = setter(MAX_MAP_COUNT);
/** Limits in pages. */
export const rlimit_as: Read = plain(RLIMIT_AS);
export const set_rlimit_as: Write = setter(RLIMIT_AS);
export const rlimit_stack: Read = plain(RLIMIT_STACK);
export const set_rlimit_stack: Write = setter(RLIMIT_STACK);
export const rlimit_memlock: Read = plain(RLIMIT_MEMLOCK);
export const set_rlimit_memlock: Write = setter(RLIMIT_MEMLOCK);
export const rlimit_data: Read = plain(RLIMIT_DATA);
export const set_rlimit_data: Write = setter(RLIMIT_DATA);
export const def_flags: Read = plain(DEF_FLAGS);
/** The memory cgroup that pages of the address space are charged to; 0 is the root, which has no limit. @kernel get_mem_cgroup_from_mm() */
export const mm_memcg: Read = plain(MEMCG);
export const set_mm_memcg: Write = setter(MEMCG);
/** Thousandths of all memory that the killer adds to what the process has, or takes off; OOM_SCORE_ADJ_MIN: never killed. @kernel signal_struct.oom_score_adj */
export const oom_score_adj: Read = plain(OOM_SCORE_ADJ);
export const set_oom_score_adj: Write = setter(OOM_SCORE_ADJ);
/** How often the reaper has not got mmap_lock. Only its owner of the moment looks: see reclaim/oom_reaper.ts. */
export const oomReapTries: Read = plain(OOM_REAP_TRIES);
export const setOomReapTries: Write = setter(OOM_REAP_TRIES);
/** The top table. For others than faults, which read it while another one makes it: mmPgdWord. */
export const mm_pgd = (m: SharedMemory, mm: MmId): TableId => m.mms[at(mm, PGD)] as TableId;
export const set_mm_pgd: Write = setter(PGD);
export const mmPgdWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, PGD)) as Word;

export const mmapLockWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, MMAP_LOCK)) as Word;
export const mmLockSeqWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, MM_LOCK_SEQ)) as Word;
/** Root word of the tree of areas, for mm/maple_tree.ts. */
export const mmTree = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, MM_MT)) as Word;
export const vmaWriterWaitWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, VMA_WRITER_WAIT)) as Word;
export const pageTableLockWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, PAGE_TABLE_LOCK)) as Word;
export const anonRssWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, ANON_RSS)) as Word;
export const fileRssWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, FILE_RSS)) as Word;
/** Entries of the page tables that lead to swap areas. @kernel MM_SWAPENTS */
export const swapEntsWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, SWAP_ENTS)) as Word;
export const shmemRssWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, SHMEM_RSS)) as Word;
export const mmUsersWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, MM_USERS)) as Word;
export const mmCountWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, MM_COUNT)) as Word;
export const mmFlagsWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, FLAGS)) as Word;
export const mmPgtablesWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, PGTABLES)) as Word;
/** How many CPUs are between taking pages out of the tables and the flush. */
export const tlbFlushPendingWord = (m: SharedMemory, mm: MmId): Word => (m.mmsAt + at(mm, TLB_FLUSH_PENDING)) as Word;
/** Has somebody changed entries, or is about to, and not flushed yet? @locks in: the page-table lock of an entry that may be one of them */
export const mm_tlb_flush_pending = (cpu: Cpu, mm: MmId): boolean => atomic_read(cpu, tlbFlushPendingWord(cpu.memory, mm)) > 0; // Pairs with: tlb_gather_mmu().
export const mmCpumaskWord = (m: SharedMemory, mm: MmId, index: number): Word => (m.mmsAt + at(mm, CPUMASK) + index) as Word;

/**
 * A new, empty address space with one user: the caller. @returns NO_MM when no slot is free
 * @kernel mm_alloc()
 */
export function mm_alloc(cpu: Cpu): MmId {
  const m = cpu.memory;
  const mm = kmem_cache_alloc(cpu, MM_CACHE) as MmId;
  if (mm === NO_MM) return NO_MM;
  m.mms.fill(0, at(mm, 0), at((mm + 1) as MmId, 0));
  m.mms[at(mm, MMAP_BASE)] = TASK_SIZE_VPN - 0x8000;
  m.mms[at(mm, MAX_MAP_COUNT)] = DEFAULT_MAX_MAP_COUNT;
  m.mms[at(mm, RLIMIT_AS)] = RLIM_INFINITY;
  m.mms[at(mm, RLIMIT_STACK)] = 2048;
  m.mms[at(mm, RLIMIT_MEMLOCK)] = RLIM_INFINITY;
  m.mms[at(mm, RLIMIT_DATA)] = RLIM_INFINITY;
  m.mms[at(mm, MM_COUNT)] = 1;
  atomic_set(cpu, mmUsersWord(m, mm), 1); // Release: everything above. Alone: nobody else knows the slot yet.
  return mm;
}

/** One more user of the address space. The caller is one already. */
export function mmget(cpu: Cpu, mm: MmId): void {
  const before = atomic_fetch_add(cpu, mmUsersWord(cpu.memory, mm), 1); // Alone: the caller's own use keeps it above zero.
  assert(before > 0, 'mmget: the address space has no user left');
}

/** One more user of an address space whose record the caller has pinned, unless the last user has left. @returns whether there is one */
export function mmget_not_zero(cpu: Cpu, mm: MmId): boolean {
  return atomic_inc_not_zero_limited(cpu, mmUsersWord(cpu.memory, mm), MM_USERS_MAX) !== 0; // Pairs with: mmput() of the last user.
}

/** Pins the record, not the contents. @kernel mmgrab() */
export function mmgrab(cpu: Cpu, mm: MmId): void {
  const before = atomic_fetch_add(cpu, mmCountWord(cpu.memory, mm), 1); // Alone: see mmdrop().
  invariant(before > 0, 'I28', 'mmgrab: the address space is gone');
}

/**
 * Pins whatever record is in the slot, if there is one: slots are never anything but records of this type. Whose record it is, is to be looked at
 * afterwards. @returns whether there is one
 */
export function mmgrabNotZero(cpu: Cpu, mm: MmId): boolean {
  return atomic_inc_not_zero_limited(cpu, mmCountWord(cpu.memory, mm), MM_USERS_MAX) !== 0; // Pairs with: mmdrop() of the last pin.
}

/** Drops a pin; the last one frees the record. Pairs with: mmgrab(). */
export function mmdrop(cpu: Cpu, mm: MmId): void {
  const before = atomic_fetch_add(cpu, mmCountWord(cpu.memory, mm), -1);
  assert(before > 0, 'mmdrop: the count was already zero');
  if (before === 1) kmem_cache_free(cpu, MM_CACHE, mm);
}

/** Sets or clears this CPU in the mask of CPUs whose TLB may hold translations of the address space. */
export function cpumaskSet(cpu: Cpu, mm: MmId, target: CpuId): void {
  atomic_fetch_or(cpu, mmCpumaskWord(cpu.memory, mm, target >> 5), 1 << (target & 31)); // Pairs with: flush_tlb_range().
}
export function cpumaskClear(cpu: Cpu, mm: MmId, target: CpuId): void {
  atomic_fetch_and(cpu, mmCpumaskWord(cpu.memory, mm, target >> 5), ~(1 << (target & 31))); // Pairs with: flush_tlb_range().
}

/** @kernel check_stable_address_space() (R18) */
export function isUnstable(cpu: Cpu, mm: MmId): boolean {
  return (atomic_read(cpu, mmFlagsWord(cpu.memory, mm)) & MMF_UNSTABLE) !== 0;
}

/**
 * Q10, Q03: at rest nobody holds a lock of any kind, and nobody sleeps but devices without requests and background threads that rest.
 * Next: invariants/rcu.ts
 */
import type { AnonVmaId, CpuId, MappingId, MmId, TableId, Word } from '../base/brand.ts';
import { D_SERVER, type DeviceId, deviceField } from '../io/device_record.ts';
import { readHeld } from '../locking/held_locks.ts';
import { lockClassName } from '../locking/lock_class.ts';
import { SEM_COUNT, SEM_OSQ, SEM_WAIT_LIST, SEM_WAIT_LOCK, semWord } from '../locking/rwsem_word.ts';
import {
  PC_SIGLOCK,
  PC_TASK_STATE,
  PC_TLB_ACCESS,
  PC_WAIT_KIND,
  percpuBase,
  WAIT_IO,
  WAIT_NAMES,
  WAIT_NONE,
  WAIT_WORK,
} from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { i_mmapLockWord, pagesLockWord } from '../mm/address_space.ts';
import { anonVmaLockWord } from '../mm/anon_vma.ts';
import { pageTableLockWord } from '../mm/mm_struct.ts';
import { zoneLockWord } from '../mm/page_alloc.ts';
import { tableLockWord } from '../mm/page_table.ts';
import { kthreadRests } from '../sched/kthread.ts';
import { TASK_RUNNING } from '../sched/task.ts';
import { ANON_VMA_CACHE, type CacheId, cachePlaces, MAPPING_CACHE, MM_CACHE, TABLE_CACHE } from '../slab/caches.ts';
import { cacheLockWord, cacheSlots } from '../slab/kmem_cache.ts';
import type { SweepState } from './sweep_state.ts';

/** All zero when it is free with nobody waiting. */
const SEM_FREE_WORDS = [SEM_COUNT, SEM_WAIT_LIST, SEM_WAIT_LIST + 1, SEM_WAIT_LOCK, SEM_OSQ];

/** What keeps a rwsem from being free with nobody waiting, or undefined. */
export function rwsemProblem(m: SharedMemory, sem: Word): string | undefined {
  const { words } = m;
  // Most of them are free; the rest is for the message.
  let any = 0;
  for (const field of SEM_FREE_WORDS) any |= words[semWord(sem, field)] as number;
  if (any === 0) return undefined;
  const word = (field: number): number => m.words[semWord(sem, field)] as number;
  if (word(SEM_COUNT) !== 0) return `has the count ${word(SEM_COUNT)}`;
  if (word(SEM_WAIT_LIST) !== 0 || word(SEM_WAIT_LIST + 1) !== 0) return `has CPU ${word(SEM_WAIT_LIST) - 1} in its queue`;
  if (word(SEM_WAIT_LOCK) !== 0 || word(SEM_OSQ) !== 0) return `is being worked on: wait_lock ${word(SEM_WAIT_LOCK)}, osq ${word(SEM_OSQ)}`;
  return undefined;
}

export function sweepLocksFree(state: SweepState): void {
  for (let id = 0; id < state.m.size.cpus; id++) sweepCpu(state, id as CpuId);
  if (state.cpu.spinDepth !== 0) state.report('Q10', `CPU ${state.cpu.id} counts ${state.cpu.spinDepth} spinlocks as held`);
  sweepSpinlocks(state);
  sweepRwsems(state);
  sweepFolioWaits(state);
}

/** A queue of waiters for folios is its lock and its list, all zero when nobody is in it. */
function sweepFolioWaits(state: SweepState): void {
  const { base, words } = state.m.layout.regions.folioWaits;
  for (let word = base; word < base + words; word++) {
    const value = state.m.words[word] as number;
    if (value !== 0) state.report('Q03', `a queue of waiters for folios is not empty: its word ${word} holds ${value}`);
  }
}

function sweepCpu(state: SweepState, id: CpuId): void {
  const { m } = state;
  for (const { class: lockClass, word } of readHeld(m, id))
    state.report('Q10', `CPU ${id} holds a lock of class ${lockClassName(lockClass)} at word ${word}`);
  const field = (offset: number): number => m.words[percpuBase(m.percpuAt, id) + offset] as number;
  // A device that nobody wants anything of sleeps until somebody does.
  if (servesDevice(m, id) && field(PC_WAIT_KIND) === WAIT_IO) return;
  const rests = field(PC_WAIT_KIND) === WAIT_WORK && kthreadRests(m, id);
  if (field(PC_WAIT_KIND) !== WAIT_NONE && !rests) state.report('Q03', `CPU ${id} waits for: ${WAIT_NAMES[field(PC_WAIT_KIND)]}`);
  if (field(PC_SIGLOCK) !== 0) state.report('Q10', `the siglock of CPU ${id} is held`);
  if (field(PC_TASK_STATE) !== TASK_RUNNING) state.report('Q03', `CPU ${id} is in task state ${field(PC_TASK_STATE)}`);
  if ((field(PC_TLB_ACCESS) & 1) !== 0) state.report('Q03', `CPU ${id} is in the middle of an access`);
}

function servesDevice(m: SharedMemory, id: CpuId): boolean {
  for (let device = 0; device < m.size.devices; device++) {
    if (deviceField(m, device as DeviceId, D_SERVER) === id + 1) return true;
  }
  return false;
}

/** Every slot, free ones too: the next owner of a slot expects its lock to be free. */
function eachSlot(m: SharedMemory, cache: CacheId, visit: (slot: number) => void): void {
  const slots = cacheSlots(m, cache);
  for (let slot = 1; slot <= slots; slot++) visit(slot);
}

function sweepSpinlocks(state: SweepState): void {
  const { m } = state;
  const check = (kind: string, id: number | string, lock: Word): void => {
    const value = m.words[lock] as number;
    if (value !== 0) state.report('Q10', `the spinlock of ${kind} ${id} holds ${value}`);
  };
  check('the', 'zone', zoneLockWord);
  for (const { cache, name } of cachePlaces(m.size)) check('the pool', name, cacheLockWord(m, cache));
  eachSlot(m, TABLE_CACHE, (table) => check('page table', table, tableLockWord(m, table as TableId)));
  eachSlot(m, MM_CACHE, (mm) => check('mm', mm, pageTableLockWord(m, mm as MmId)));
  eachSlot(m, MAPPING_CACHE, (file) => check('the pages of file', file, pagesLockWord(m, file as MappingId)));
}

function sweepRwsems(state: SweepState): void {
  const { m } = state;
  const check = (kind: string, id: number, sem: Word): void => {
    const problem = rwsemProblem(m, sem);
    if (problem !== undefined) state.report('Q10', `the rwsem of ${kind} ${id} ${problem}`);
  };
  eachSlot(m, ANON_VMA_CACHE, (id) => check('anon_vma', id, anonVmaLockWord(m, id as AnonVmaId)));
  eachSlot(m, MAPPING_CACHE, (file) => check('file', file, i_mmapLockWord(m, file as MappingId)));
}

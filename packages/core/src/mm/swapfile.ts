/**
 * Swap areas: which slots of a device hold a page, and for how many page-table entries.
 *
 *   slot   map    how many entries (and places of shmem) lead to it; SWAP_HAS_CACHE: the swap cache has it, or somebody claims it to read it
 *                 by himself; SWAP_ZERO: the page was all zero and is not on the device
 *          table  the folio in the swap cache, or 0: read without a lock (mm/swap_state.ts). A number below 0: the shadow of the page that was there
 *                 (mm/workingset.ts), as long as the slot is used
 *
 * A slot is free when its map is 0. Because the claim is part of the map, a slot that somebody reads cannot be freed and given to another page
 * meanwhile, and with it the entry of the page table: that is what makes comparing entries good enough.
 *
 *   reading fault A                           fault B, same entry
 *   1 claims: count 1 -> 1 | HAS_CACHE
 *                                             2 claim refused  <- decides: does not read, waits a tick, starts over
 *   3 reads, compares the entry, maps
 *   4 swap_free, gives up the claim: free
 *
 * Slots are handed out from clusters of 512, one after the other: each CPU has a cluster of its own, and on a rotational device all share one, so
 * that pages that are pushed out together lie together.
 * @kernel mm/swapfile.c folio_alloc_swap(), swap_duplicate(), swap_free(), swapcache_prepare(), swapcache_clear(); include/linux/swap.h
 * @fidelity reduced: one lock for an area; areas are filled one after the other; counts do not overflow into continuation pages; areas are switched off only
 *   when they are empty, no discard, single slots only
 * Next: mm/swap_state.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { CpuId, Pfn, SwapId, SwpEntry, Word } from '../base/brand.ts';
import { NO_SWAP_ENTRY } from '../base/brand.ts';
import { EEXIST, ENOENT } from '../base/errno.ts';
import { UsageError } from '../base/errors.ts';
import type { Cpu } from '../cpu.ts';
import { noteIoSleep } from '../locking/lock_waits.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { appendSelf, firstWaiter, isQueued, NO_WAITER, removeWaiter } from '../locking/wait_list.ts';
import { atomic_read, atomic_set } from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import { PC_SWAP_LAST, WAIT_SWAPIN } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { schedule_timeout, set_current_state, TASK_UNINTERRUPTIBLE, wake_up_process } from '../sched/task.ts';
import { ALLOC_SWAP_SLOT } from '../trace/injector.ts';
import { NO_FOLIO } from './folio.ts';
import { MAX_SWAPFILES, swp_entry, swp_offset, swpSwap, xa_is_value } from './swap_entry.ts';

const INFO_SHIFT = 6;
const LOCK = 0;
/** SWP_* bits; 0 while the area is off. Written at boot. */
const FLAGS = 1;
/** Slots, the header included. */
const MAX = 2;
const IN_USE = 3;
const DEVICE = 4;
/** The slot that was handed out last, on a rotational area. */
const LAST = 5;
/** CPUs that found an entry claimed: a wait list of two words. @kernel swapcache_wq */
const CLAIM_WAITERS = 6;
assert(1 << INFO_SHIFT === RECORD_WORDS.swapInfo, 'swapfile: the area has another size in memory/layout.ts');
const SLOT_SHIFT = 1;
const SLOT_MAP = 0;
const SLOT_TABLE = 1;
assert(1 << SLOT_SHIFT === RECORD_WORDS.swapSlot, 'swapfile: the slot has another size in memory/layout.ts');

const SWP_USED = 0x1;
/** Reading it needs no waiting to speak of (memory, compressed or persistent): faults read by themselves, past the swap cache. */
export const SWP_SYNCHRONOUS_IO = 0x2;
/** Seeks are dear: one cluster for all CPUs, and read-ahead goes by slots. @kernel the absence of SWP_SOLIDSTATE */
export const SWP_ROTATIONAL = 0x4;

/** Entries of page tables and of shmem that lead to a slot. */
const COUNT_MASK = 0xffff;
export const SWAP_HAS_CACHE = 0x10000;
const SWAP_ZERO = 0x20000;
/** The header. @kernel SWAP_MAP_BAD */
const SWAP_BAD = 0x40000;
/** The first slot of a cluster also counts, from this bit on, how many of its slots are in use. */
const CLUSTER_USE_SHIFT = 20;
const CLUSTER_USE_ONE = 1 << CLUSTER_USE_SHIFT;
const MAP_MASK = CLUSTER_USE_ONE - 1;
/** @kernel SWAPFILE_CLUSTER */
export const SWAPFILE_CLUSTER = 512;

/** How long a fault sleeps that found its entry claimed: one tick at 250 a second. @kernel schedule_timeout_uninterruptible(1) */
const TICK_MS = 4;
/** Swap areas lie on a device beside the extents of its files, which are numbered from 1. */
const FIRST_SWAP_EXTENT = 0x40000000;

const infoWord = (m: SharedMemory, area: SwapId, field: number): Word => (m.swapInfosAt + (area << INFO_SHIFT) + field) as Word;
const info = (m: SharedMemory, area: SwapId, field: number): number => m.words[infoWord(m, area, field)] as number;
const setInfo = (m: SharedMemory, area: SwapId, field: number, value: number): void => {
  m.words[infoWord(m, area, field)] = value;
};
const slotWord = (m: SharedMemory, area: SwapId, offset: number, field: number): Word =>
  (m.swapSlotsAt + ((area * m.size.swapSlots + offset) << SLOT_SHIFT) + field) as Word;
const rawMap = (m: SharedMemory, area: SwapId, offset: number): number => m.words[slotWord(m, area, offset, SLOT_MAP)] as number;
/** Guarded by the lock of the area. */
const mapOf = (m: SharedMemory, area: SwapId, offset: number): number => rawMap(m, area, offset) & MAP_MASK;
const lockOf = (m: SharedMemory, entry: SwpEntry): Word => infoWord(m, swpSwap(entry), LOCK);

export interface SwapSetup {
  readonly device: number;
  /** Slots, the header included; as many as the machine has for an area, unless said otherwise. */
  readonly slots?: number;
  readonly synchronous?: boolean;
  readonly rotational?: boolean;
}

/** Switches a swap area on. Before CPUs run. @throws UsageError for an area or a size that the machine has no room for. @kernel swapon(2) */
export function swapon(m: SharedMemory, area: SwapId, setup: SwapSetup): void {
  const slots = setup.slots ?? m.size.swapSlots;
  if (!Number.isInteger(area) || area < 0 || area >= Math.min(m.size.swaps, MAX_SWAPFILES)) {
    throw new UsageError(
      `Swap area ${area} does not exist in a memory made for ${m.size.swaps} of them; raise size.swaps (${MAX_SWAPFILES} at most).`,
    );
  }
  if (!Number.isInteger(slots) || slots < 2 || slots > m.size.swapSlots) {
    throw new UsageError(
      `Swap area ${area} is to have ${slots} slots, but it must have from 2 to size.swapSlots, which is ${m.size.swapSlots}.`,
    );
  }
  if (!Number.isInteger(setup.device) || setup.device < 0 || setup.device >= m.size.devices) {
    throw new UsageError(
      `Swap area ${area} is to be on device ${setup.device}, but the memory is made for ${m.size.devices}; raise size.devices.`,
    );
  }
  setInfo(m, area, MAX, slots);
  setInfo(m, area, DEVICE, setup.device);
  m.words[slotWord(m, area, 0, SLOT_MAP)] = SWAP_BAD;
  const kind = (setup.synchronous === true ? SWP_SYNCHRONOUS_IO : 0) | (setup.rotational === true ? SWP_ROTATIONAL : 0);
  setInfo(m, area, FLAGS, SWP_USED | kind);
}

/** Switches off an area that holds nothing. No CPU runs. @throws UsageError when it holds something */
export function swapoffEmpty(m: SharedMemory, area: SwapId): void {
  if (swapInUse(m, area) !== 0) throw new UsageError(`Swap area ${area} still holds ${swapInUse(m, area)} pages; end who uses them.`);
  setInfo(m, area, FLAGS, 0);
}

const isOn = (m: SharedMemory, area: SwapId): boolean => area < m.size.swaps && info(m, area, FLAGS) !== 0;
export const swapFlags = (m: SharedMemory, entry: SwpEntry): number => info(m, swpSwap(entry), FLAGS);
/** The block device of an entry, and the extent on it; the block is the entry's offset. */
export const swapDevice = (m: SharedMemory, entry: SwpEntry): number => info(m, swpSwap(entry), DEVICE);
export const swapExtent = (entry: SwpEntry): number => FIRST_SWAP_EXTENT + swpSwap(entry);
/** One past the last slot of an area; 0 while it is off. */
export const swapMax = (m: SharedMemory, area: SwapId): number => (isOn(m, area) ? info(m, area, MAX) : 0);
/** Slots that hold a page or are claimed; exact at rest. */
export const swapInUse = (m: SharedMemory, area: SwapId): number => info(m, area, IN_USE);

/** Is any area on a rotational device? @kernel nr_rotate_swap */
export function anyRotationalSwap(m: SharedMemory): boolean {
  for (let area = 0; area < m.size.swaps; area++) if ((info(m, area as SwapId, FLAGS) & SWP_ROTATIONAL) !== 0) return true;
  return false;
}

/** Pages that could still be swapped out; a glance. @kernel get_nr_swap_pages() */
export function get_nr_swap_pages(m: SharedMemory): number {
  let free = 0;
  for (let id = 0; id < m.size.swaps; id++) {
    const area = id as SwapId;
    if (isOn(m, area)) free += info(m, area, MAX) - 1 - info(m, area, IN_USE);
  }
  return free;
}

/** Is more than half of the swap space in use? Then slots are given back as soon as their page is read. @kernel vm_swap_full() */
export function vm_swap_full(m: SharedMemory): boolean {
  let total = 0;
  for (let area = 0; area < m.size.swaps; area++) if (isOn(m, area as SwapId)) total += info(m, area as SwapId, MAX) - 1;
  return get_nr_swap_pages(m) * 2 < total;
}

/** Does the entry lie in an area that is on? Areas are never switched off, so nothing needs to be kept. */
export function get_swap_device(m: SharedMemory, entry: SwpEntry): boolean {
  return isOn(m, swpSwap(entry)) && swp_offset(entry) > 0 && swp_offset(entry) < swapMax(m, swpSwap(entry));
}

// --- allocation -----------------------------------------------------------------------------------------------------------------------

/**
 * A free slot for a folio, which becomes its place in the swap cache. Takes the lock of an area; never sleeps.
 * @returns NO_SWAP_ENTRY when all areas are full or off
 */
export function allocSwapSlot(cpu: Cpu, pfn: Pfn): SwpEntry {
  if (cpu.inject !== null && (cpu.inject.swapIsFull() || cpu.inject.failsAllocation(ALLOC_SWAP_SLOT))) return NO_SWAP_ENTRY;
  const m = cpu.memory;
  for (let id = 0; id < m.size.swaps; id++) {
    const area = id as SwapId;
    if (!isOn(m, area)) continue;
    const lock = infoWord(m, area, LOCK);
    spin_lock(cpu, lock);
    const offset = takeSlotLocked(cpu, area);
    if (offset !== 0) {
      setMapLocked(cpu, area, offset, SWAP_HAS_CACHE);
      atomic_set(cpu, slotWord(m, area, offset, SLOT_TABLE), pfn); // Release. Pairs with: swapTableFolio().
    }
    spin_unlock(cpu, lock);
    if (offset !== 0) return swp_entry(area, offset);
  }
  return NO_SWAP_ENTRY;
}

/** Goes on in the CPU's cluster (the shared one of a rotational area), or starts another. @returns 0 when the area is full */
function takeSlotLocked(cpu: Cpu, area: SwapId): number {
  const m = cpu.memory;
  const shared = (info(m, area, FLAGS) & SWP_ROTATIONAL) !== 0;
  const lastWord = shared ? infoWord(m, area, LAST) : ((cpu.percpu + PC_SWAP_LAST + area) as Word);
  const last = m.words[lastWord] as number;
  // None yet, or the cluster is through.
  let offset = last === 0 || (last + 1) % SWAPFILE_CLUSTER === 0 ? 0 : freeFrom(m, area, last + 1);
  if (offset === 0) offset = freeFrom(m, area, pickCluster(m, area));
  if (offset !== 0) m.words[lastWord] = offset;
  return offset;
}

/** First free slot from a position to the end of its cluster, or 0. */
function freeFrom(m: SharedMemory, area: SwapId, start: number): number {
  const end = Math.min((Math.floor(start / SWAPFILE_CLUSTER) + 1) * SWAPFILE_CLUSTER, info(m, area, MAX));
  for (let offset = start; offset < end; offset++) if (mapOf(m, area, offset) === 0) return offset;
  return 0;
}

/** The first slot of an empty cluster, or else of one with room; of any when there is none. */
function pickCluster(m: SharedMemory, area: SwapId): number {
  const max = info(m, area, MAX);
  let withRoom = 0;
  for (let start = 0; start < max; start += SWAPFILE_CLUSTER) {
    const use = rawMap(m, area, start) >>> CLUSTER_USE_SHIFT;
    if (use === 0) return start;
    const room = Math.min(SWAPFILE_CLUSTER, max - start) - (start === 0 ? 1 : 0);
    if (withRoom === 0 && use < room) withRoom = start;
  }
  return withRoom;
}

/** Writes a map and keeps the counts of the cluster and of the area. A slot that is free has no shadow. @locks in: the area's */
function setMapLocked(cpu: Cpu, area: SwapId, offset: number, map: number): void {
  const m = cpu.memory;
  const word = slotWord(m, area, offset, SLOT_MAP);
  const before = m.words[word] as number;
  m.words[word] = (before & ~MAP_MASK) | map;
  const change = Number(map !== 0) - Number((before & MAP_MASK) !== 0);
  if (change === 0) return;
  if (map === 0) atomic_set(cpu, slotWord(m, area, offset, SLOT_TABLE), NO_FOLIO); // Pairs with: swap_cache_get_shadow().
  const first = slotWord(m, area, offset - (offset % SWAPFILE_CLUSTER), SLOT_MAP);
  m.words[first] = (m.words[first] as number) + change * CLUSTER_USE_ONE;
  setInfo(m, area, IN_USE, info(m, area, IN_USE) + change);
}

// --- counts ---------------------------------------------------------------------------------------------------------------------------

/** Changes the map of an entry under its lock: `next` gets the old one and returns the new one. @returns the old one */
function changeMap(cpu: Cpu, entry: SwpEntry, next: (before: number) => number): number {
  const m = cpu.memory;
  spin_lock(cpu, lockOf(m, entry));
  const before = mapOf(m, swpSwap(entry), swp_offset(entry));
  const after = next(before);
  if (after !== before) setMapLocked(cpu, swpSwap(entry), swp_offset(entry), after);
  spin_unlock(cpu, lockOf(m, entry));
  return before;
}

/** The map without its count may stay only while the cache has the slot: the zero mark goes with the last user. */
const dropIfUnused = (map: number): number => ((map & (COUNT_MASK | SWAP_HAS_CACHE)) === 0 ? 0 : map);

/** One more page-table entry for a slot that has one or is in the swap cache. Never sleeps. */
export function swap_duplicate(cpu: Cpu, entry: SwpEntry): void {
  const before = changeMap(cpu, entry, (map) => map + 1);
  invariant((before & (COUNT_MASK | SWAP_HAS_CACHE)) !== 0, 'I29', 'swap_duplicate: the slot is free');
  assert((before & COUNT_MASK) < COUNT_MASK, 'swap_duplicate: the count is at its end');
}

/** One page-table entry less. Never sleeps. @returns whether the swap cache is the only one left that has the slot */
export function swap_free(cpu: Cpu, entry: SwpEntry): boolean {
  const before = changeMap(cpu, entry, (map) => ((map & COUNT_MASK) === 0 ? map : dropIfUnused(map - 1)));
  invariant((before & COUNT_MASK) !== 0, 'I29', 'swap_free: no entry leads to the slot');
  return (before & COUNT_MASK) === 1 && (before & SWAP_HAS_CACHE) !== 0;
}

/** Page-table entries that lead to a slot. @kernel swap_swapcount() */
export const swap_count = (cpu: Cpu, entry: SwpEntry): number => changeMap(cpu, entry, (map) => map) & COUNT_MASK;

/** Claims an entry for a reader that goes past the swap cache. @returns 0, EEXIST when it is cached or claimed, ENOENT when the slot is free */
export function swapcache_prepare(cpu: Cpu, entry: SwpEntry): number {
  const before = changeMap(cpu, entry, (map) => ((map & COUNT_MASK) === 0 ? map : map | SWAP_HAS_CACHE));
  if ((before & COUNT_MASK) === 0) return ENOENT;
  return (before & SWAP_HAS_CACHE) === 0 ? 0 : EEXIST;
}

/** Gives up a claim, and wakes those who found it. Never sleeps. */
export function swapcache_clear(cpu: Cpu, entry: SwpEntry): void {
  const before = changeMap(cpu, entry, (map) => dropIfUnused(map & ~SWAP_HAS_CACHE));
  invariant((before & SWAP_HAS_CACHE) !== 0, 'I29', 'swapcache_clear: the entry is not claimed');
  wakeClaimWaiters(cpu, swpSwap(entry));
}

// --- the swap table -------------------------------------------------------------------------------------------------------------------

/** The folio that the swap cache has for an entry, or NO_FOLIO. Without a lock: take a reference, then look again. */
export function swapTableFolio(cpu: Cpu, entry: SwpEntry): Pfn {
  // Acquire. Pairs with: allocSwapSlot(), insertSwapTable(), removeSwapTable().
  const there = atomic_read(cpu, slotWord(cpu.memory, swpSwap(entry), swp_offset(entry), SLOT_TABLE));
  return (xa_is_value(there) ? NO_FOLIO : there) as Pfn;
}

/** The shadow of the page that reclaim took out of the swap cache there, or 0. A hint: the slot may be another page's by now. */
export function swap_cache_get_shadow(cpu: Cpu, entry: SwpEntry): number {
  const there = atomic_read(cpu, slotWord(cpu.memory, swpSwap(entry), swp_offset(entry), SLOT_TABLE)); // Pairs with: removeSwapTable().
  return xa_is_value(there) ? there : 0;
}

/** Claims an entry and puts a folio there, in one step. @returns 0, EEXIST when it is cached or claimed, ENOENT when nobody uses the slot */
export function insertSwapTable(cpu: Cpu, entry: SwpEntry, pfn: Pfn): number {
  const m = cpu.memory;
  const area = swpSwap(entry);
  spin_lock(cpu, lockOf(m, entry));
  const map = mapOf(m, area, swp_offset(entry));
  const result = (map & COUNT_MASK) === 0 ? ENOENT : (map & SWAP_HAS_CACHE) !== 0 ? EEXIST : 0;
  if (result === 0) {
    setMapLocked(cpu, area, swp_offset(entry), map | SWAP_HAS_CACHE);
    atomic_set(cpu, slotWord(m, area, swp_offset(entry), SLOT_TABLE), pfn); // Release. Pairs with: swapTableFolio().
  }
  spin_unlock(cpu, lockOf(m, entry));
  return result;
}

/** The swap cache has nothing there any more but the shadow, if there is one; a slot that nobody else uses is free. */
export function removeSwapTable(cpu: Cpu, entry: SwpEntry, pfn: Pfn, shadow = 0): void {
  const m = cpu.memory;
  const area = swpSwap(entry);
  spin_lock(cpu, lockOf(m, entry));
  const map = mapOf(m, area, swp_offset(entry));
  const table = slotWord(m, area, swp_offset(entry), SLOT_TABLE);
  invariant((map & SWAP_HAS_CACHE) !== 0 && m.words[table] === pfn, 'I29', 'the swap cache does not have the folio where it says');
  atomic_set(cpu, table, shadow); // Release. Pairs with: swapTableFolio(), swap_cache_get_shadow().
  setMapLocked(cpu, area, swp_offset(entry), dropIfUnused(map & ~SWAP_HAS_CACHE));
  spin_unlock(cpu, lockOf(m, entry));
  wakeClaimWaiters(cpu, area);
}

/** Another folio takes the place of one in the swap cache. @locks in: both folio locks; the old one's references are frozen */
export function replaceSwapTable(cpu: Cpu, entry: SwpEntry, old: Pfn, pfn: Pfn): void {
  const table = slotWord(cpu.memory, swpSwap(entry), swp_offset(entry), SLOT_TABLE);
  spin_lock(cpu, lockOf(cpu.memory, entry));
  invariant(cpu.words[table] === old, 'I29', 'the swap cache does not have the folio where it says');
  atomic_set(cpu, table, pfn); // Release. Pairs with: swapTableFolio().
  spin_unlock(cpu, lockOf(cpu.memory, entry));
}

/** Is the page of the slot all zero, and so not on the device? @kernel swap_zeromap */
export const swapIsZero = (cpu: Cpu, entry: SwpEntry): boolean => (changeMap(cpu, entry, (map) => map) & SWAP_ZERO) !== 0;

/** Says so, or no longer. @locks in: the lock of the folio that the swap cache has there */
export function setSwapZero(cpu: Cpu, entry: SwpEntry, zero: boolean): void {
  changeMap(cpu, entry, (map) => (zero ? map | SWAP_ZERO : map & ~SWAP_ZERO));
}

/** What a slot says, for checkers on a machine at rest. */
export interface SlotSeen {
  /** Page-table entries and places of shmem. */
  readonly count: number;
  /** Cached or claimed. */
  readonly cached: boolean;
  readonly folio: Pfn;
  /** Of the page that was there, or 0. */
  readonly shadow: number;
}

export function slotSeen(m: SharedMemory, area: SwapId, offset: number): SlotSeen {
  const map = mapOf(m, area, offset);
  const there = m.words[slotWord(m, area, offset, SLOT_TABLE)] as number;
  return {
    count: map & COUNT_MASK,
    cached: (map & SWAP_HAS_CACHE) !== 0,
    folio: (xa_is_value(there) ? NO_FOLIO : there) as Pfn,
    shadow: xa_is_value(there) ? there : 0,
  };
}

/** The first slot from `offset` on that has a count, a claim, a folio or a shadow; swapMax() when there is none. Most slots have nothing. */
export function nextSlotInUse(m: SharedMemory, area: SwapId, offset: number): number {
  const { words } = m;
  const max = swapMax(m, area);
  let next = offset;
  for (let at: number = slotWord(m, area, next, 0); next < max; next++, at += RECORD_WORDS.swapSlot)
    if (((words[at + SLOT_MAP] as number) & MAP_MASK) !== 0 || words[at + SLOT_TABLE] !== 0) break;
  return next;
}

// --- waiting for a claim --------------------------------------------------------------------------------------------------------------

/**
 * For one who found an entry claimed: sleeps for a tick, or until a claim of the area ends. Not even a fatal signal ends the sleep.
 * @locks in: none that spins; the fault lock may be held
 */
export function waitForSwapClaim(cpu: Cpu, entry: SwpEntry): void {
  const m = cpu.memory;
  const list = infoWord(m, swpSwap(entry), CLAIM_WAITERS);
  const me = cpu.id + 1;
  spin_lock(cpu, lockOf(m, entry));
  const claimed = (mapOf(m, swpSwap(entry), swp_offset(entry)) & SWAP_HAS_CACHE) !== 0 && swapTableFolio(cpu, entry) === NO_FOLIO;
  if (claimed) {
    appendSelf(cpu, list);
    set_current_state(cpu, TASK_UNINTERRUPTIBLE); // Before the unlock: a waker needs the lock. Pairs with: wakeClaimWaiters().
  }
  spin_unlock(cpu, lockOf(m, entry));
  if (!claimed) return;
  const since = cpu.now();
  schedule_timeout(cpu, WAIT_SWAPIN, list, TICK_MS);
  noteIoSleep(cpu, since);
  spin_lock(cpu, lockOf(m, entry));
  if (isQueued(cpu, list, me)) removeWaiter(cpu, list, me);
  spin_unlock(cpu, lockOf(m, entry));
}

function wakeClaimWaiters(cpu: Cpu, area: SwapId): void {
  const m = cpu.memory;
  const list = infoWord(m, area, CLAIM_WAITERS);
  if (firstWaiter(cpu, list) === NO_WAITER) return; // Who queues from now on has seen, under the lock, that the claim is over.
  spin_lock(cpu, infoWord(m, area, LOCK));
  for (let waiter = firstWaiter(cpu, list); waiter !== NO_WAITER; waiter = firstWaiter(cpu, list)) {
    removeWaiter(cpu, list, waiter);
    wake_up_process(cpu, (waiter - 1) as CpuId);
  }
  spin_unlock(cpu, infoWord(m, area, LOCK));
}

/**
 * What waits for the locks of an address space were like: how long they took, in decades, and whether who held the lock slept for a device meanwhile.
 * Each CPU keeps its last sleeps for a device during which it held mmap_lock or the lock of an area; who has waited for such a lock looks for
 * those that fell into its wait. Everything here happens after a sleep, so a lock that is free costs nothing.
 *
 *   fault                                     writer
 *   1 holds the lock of the area
 *   2 sleeps for the device
 *                                             3 wants the area: waits
 *   4 woken: notes when the sleep began and ended, and which locks it held
 *   5 releases the lock
 *                                             6 has the lock: the part of its wait that lies in 2 to 4 was a wait for the device  <- decides
 *
 * Who waited so, and held another lock himself, notes his own wait as such a sleep: who waits for him waits for the device as well.
 * @kernel Documentation/locking/lockstat.rst; the tables of waits that are posted with series about mmap_lock
 * @fidelity ours: no kernel counts this
 * Next: mm/folio_wait.ts and mm/vma_lock_refcount.ts call it
 */
import { assert } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { HELD_WORDS, IO_SLEEP_WORDS, LOCK_WAIT_WORDS, PC_HELD, PC_IO_SLEEPS, PC_LOCK_WAITS, percpuBase } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { MODE_READ, MODE_WRITE, releasedClass, releasedMode } from './held_locks.ts';
import { LOCK_MMAP, LOCK_VMA, type LockClass } from './lock_class.ts';

/** Whose waits are looked at. Of an area only writers wait, and only readers sleep while they hold it. */
export const WAITED_LOCKS = ['mmap_lock read', 'mmap_lock write', 'vma write'] as const;
export type WaitedLock = (typeof WAITED_LOCKS)[number];
const MMAP_READ_ROW = 0;
const MMAP_WRITE_ROW = 1;
const VMA_ROW = 2;
const NO_ROW = -1;

/** Waits are counted by their length: below 1 us, below 10 us, and so on; the last place is for a second and more. */
export const WAIT_DECADES = 8;
const BEHIND = 8;
const BEHIND_US = 9;
const BEHIND_US_MAX = 10;
const INVERTED_US = 11;
const HELD_IO = 12;
const HELD_IO_US = 13;
const HELD_IO_US_MAX = 14;
const WAIT_US = 15;
const ROW_WORDS = 16;
/** After the rows: of fork. */
const FORKS_AT: number = ROW_WORDS * WAITED_LOCKS.length;
const FORKS = 0;
const FORKS_STALLED = 1;
const FORK_STALL_US = 2;
const FORK_STALL_US_MAX = 3;
/** Place of the next sleep that is noted. */
const NEXT_SLEEP = 4;
assert(FORKS_AT + NEXT_SLEEP < LOCK_WAIT_WORDS, 'lock_waits: the per-CPU block has too few words');

/** A noted sleep: begin and end in microseconds, the CPU that slept, and the locks that were held. */
const SLEEPS = 3;
const SINCE_US = 0;
const UNTIL_US = 1;
const CAUSE = 2;
const LOCKS = 3;
const LOCKS_MAX = 4;
const SLEEP_WORDS = 8;
assert(SLEEPS * SLEEP_WORDS <= IO_SLEEP_WORDS && LOCKS + LOCKS_MAX <= SLEEP_WORDS, 'lock_waits: the per-CPU block has too few words');

/** A shorter sleep or wait has not been one for a device. */
const BEHIND_US_LEAST = 10;
const US_PER_MS = 1000;

/** Microseconds on the clock of the CPU, which all CPUs have in common; 32 bits, so only differences mean anything. */
const inUs = (ms: number): number => Math.round(ms * US_PER_MS) | 0;

/** Which of the waits that are looked at this is. */
function rowOf(lockClass: LockClass, mode: number): number {
  if (lockClass === LOCK_MMAP) return mode === MODE_WRITE ? MMAP_WRITE_ROW : MMAP_READ_ROW;
  return lockClass === LOCK_VMA ? VMA_ROW : NO_ROW;
}

function add(cpu: Cpu, word: number, amount: number): void {
  cpu.words[word] = ((cpu.words[word] as number) + amount) | 0;
}

function raise(cpu: Cpu, word: number, value: number): void {
  if (value > (cpu.words[word] as number)) cpu.words[word] = value;
}

/**
 * A wait for a lock is over, successful or not. Locks other than those of address spaces are not looked at. Never sleeps.
 * @param lock the word that holders of the lock have among their held locks @param sinceMs when it began, on the clock of this CPU
 */
export function noteLockWait(cpu: Cpu, lockClass: LockClass, mode: number, lock: Word, sinceMs: number): void {
  const row = rowOf(lockClass, mode);
  if (row === NO_ROW || (row === VMA_ROW && mode === MODE_READ)) return;
  const nowMs = cpu.now();
  const waitedUs = Math.max(0, Math.round((nowMs - sinceMs) * US_PER_MS));
  const at = cpu.percpu + PC_LOCK_WAITS + row * ROW_WORDS;
  add(cpu, at + decadeOf(waitedUs), 1);
  add(cpu, at + WAIT_US, waitedUs);
  if (waitedUs < BEHIND_US_LEAST) return;
  const sinceUs = inUs(sinceMs);
  const behindUs = coveredUs(cpu, lock, sinceUs, waitedUs, 0);
  if (behindUs === 0) return;
  add(cpu, at + BEHIND, 1);
  add(cpu, at + BEHIND_US, behindUs);
  raise(cpu, at + BEHIND_US_MAX, behindUs);
  // A task's priority is taken to fall with the number of its CPU: who slept has a lower one than who waited.
  const invertedUs = coveredUs(cpu, lock, sinceUs, waitedUs, cpu.id + 1);
  add(cpu, at + INVERTED_US, invertedUs);
  noteSleep(cpu, sinceUs, inUs(nowMs), invertedUs > 0 ? cpu.id + 1 : cpu.id);
}

/** 0 for less than a microsecond, 1 for less than ten, ... */
function decadeOf(us: number): number {
  let decade = 0;
  for (let least = 1; us >= least && decade < WAIT_DECADES - 1; least *= 10) decade++;
  return decade;
}

/**
 * How much of a wait lies in noted sleeps of those who held the lock. What a holder noted before it released the lock is seen by whoever has taken the
 * lock since; what CPUs that have nothing to do with it write meanwhile names other locks.
 * @param leastCause only sleeps that were caused by this CPU or one with a higher number
 */
function coveredUs(cpu: Cpu, lock: Word, sinceUs: number, waitedUs: number, leastCause: number): number {
  let covered = 0;
  for (let cursor = 0; cursor < waitedUs; ) {
    let end = cursor;
    let next = waitedUs;
    for (let id = 0; id < cpu.memory.size.cpus; id++) {
      if (id === cpu.id) continue;
      const ring = percpuBase(cpu.memory.percpuAt, id as CpuId) + PC_IO_SLEEPS;
      for (let sleep = ring; sleep < ring + SLEEPS * SLEEP_WORDS; sleep += SLEEP_WORDS) {
        if (!names(cpu, sleep, lock) || (cpu.words[sleep + CAUSE] as number) < leastCause) continue;
        const from = ((cpu.words[sleep + SINCE_US] as number) - sinceUs) | 0;
        const to = ((cpu.words[sleep + UNTIL_US] as number) - sinceUs) | 0;
        if (from <= cursor) end = Math.max(end, to);
        else if (to > from) next = Math.min(next, from);
      }
    }
    covered += Math.min(end, waitedUs) - cursor;
    cursor = end > cursor ? end : next;
  }
  return covered;
}

function names(cpu: Cpu, sleep: number, lock: Word): boolean {
  for (let place = sleep + LOCKS; place < sleep + LOCKS + LOCKS_MAX; place++) if (cpu.words[place] === lock) return true;
  return false;
}

/**
 * A sleep for a device is over: for a page that is being read or written, for a request, for room in the queue. Without a lock of an address
 * space nothing is noted. Dirty throttling, handlers in user space and fences are no such sleeps. Never sleeps.
 * @param sinceMs when it began, on the clock of this CPU
 */
export function noteIoSleep(cpu: Cpu, sinceMs: number): void {
  if (cpu.held === 0) return;
  const nowMs = cpu.now();
  const sleptUs = Math.max(0, Math.round((nowMs - sinceMs) * US_PER_MS));
  if (sleptUs < BEHIND_US_LEAST) return;
  if (!noteSleep(cpu, inUs(sinceMs), inUs(nowMs), cpu.id)) return;
  let seen = 0;
  const bottom = cpu.percpu + PC_HELD;
  for (let entry = bottom; entry < bottom + cpu.held * HELD_WORDS; entry += HELD_WORDS) {
    const row = rowOfHeld(cpu, entry);
    // The first design has two entries for the lock of an area.
    if (row === NO_ROW || (seen & (1 << row)) !== 0) continue;
    seen |= 1 << row;
    const at = cpu.percpu + PC_LOCK_WAITS + row * ROW_WORDS;
    add(cpu, at + HELD_IO, 1);
    add(cpu, at + HELD_IO_US, sleptUs);
    raise(cpu, at + HELD_IO_US_MAX, sleptUs);
  }
}

/** Of an entry of the held locks (locking/held_locks.ts). */
function rowOfHeld(cpu: Cpu, entry: number): number {
  const meaning = cpu.words[entry + 1] as number;
  return rowOf(releasedClass(meaning), releasedMode(meaning));
}

/** @returns whether a lock of an address space was held, so that there was something to note */
function noteSleep(cpu: Cpu, sinceUs: number, untilUs: number, cause: number): boolean {
  const next = cpu.percpu + PC_LOCK_WAITS + FORKS_AT + NEXT_SLEEP;
  const sleep = cpu.percpu + PC_IO_SLEEPS + (cpu.words[next] as number) * SLEEP_WORDS;
  let locks = 0;
  const bottom = cpu.percpu + PC_HELD;
  for (let entry = bottom; entry < bottom + cpu.held * HELD_WORDS && locks < LOCKS_MAX; entry += HELD_WORDS) {
    if (rowOfHeld(cpu, entry) === NO_ROW) continue;
    cpu.words[sleep + LOCKS + locks] = cpu.words[entry] as number;
    locks++;
  }
  if (locks === 0) return false;
  cpu.words.fill(0, sleep + LOCKS + locks, sleep + LOCKS + LOCKS_MAX);
  cpu.words[sleep + SINCE_US] = sinceUs;
  cpu.words[sleep + UNTIL_US] = untilUs;
  cpu.words[sleep + CAUSE] = cause;
  cpu.words[next] = ((cpu.words[next] as number) + 1) % SLEEPS;
  return true;
}

/** What this CPU has waited for the locks of address spaces so far, in microseconds; 32 bits. */
export function lockWaitedUs(cpu: Cpu): number {
  const at = cpu.percpu + PC_LOCK_WAITS + WAIT_US;
  return ((cpu.words[at] as number) + (cpu.words[at + ROW_WORDS] as number) + (cpu.words[at + 2 * ROW_WORDS] as number)) | 0;
}

/** A fork is over, or has failed. @param waitedBefore lockWaitedUs() when it began: what came on top is its stall */
export function noteFork(cpu: Cpu, waitedBefore: number): void {
  const at = cpu.percpu + PC_LOCK_WAITS + FORKS_AT;
  const stallUs = (lockWaitedUs(cpu) - waitedBefore) >>> 0;
  add(cpu, at + FORKS, 1);
  if (stallUs === 0) return;
  add(cpu, at + FORKS_STALLED, 1);
  add(cpu, at + FORK_STALL_US, stallUs);
  raise(cpu, at + FORK_STALL_US_MAX, stallUs);
}

/** Of one lock and mode, over all CPUs. Times in microseconds. */
export interface LockWaits {
  readonly lock: WaitedLock;
  /** Waits by their length: below 1 us, below 10 us, ... up to a second and more. */
  readonly decades: readonly number[];
  readonly waitUs: number;
  /** Waits of which a part was behind somebody's sleep for a device, these parts, and the longest. */
  readonly behindIo: number;
  readonly behindIoUs: number;
  readonly behindIoUsMax: number;
  /** The parts of those behind a CPU with a higher number, whose task is taken to have a lower priority. */
  readonly invertedUs: number;
  /** Sleeps for a device with the lock held (of an area: for reading), and how long. */
  readonly heldOverIo: number;
  readonly heldOverIoUs: number;
  readonly heldOverIoUsMax: number;
}

export interface ForkStalls {
  readonly forks: number;
  /** Those that waited for a lock of an address space. */
  readonly stalled: number;
  readonly stallUs: number;
  readonly stallUsMax: number;
}

export interface LockWaitStats {
  readonly locks: readonly LockWaits[];
  readonly forks: ForkStalls;
}

/** Sums over all CPUs since the machine was booted, longest values included. Exact when the CPUs are idle. */
export function readLockWaits(memory: SharedMemory): LockWaitStats {
  const of = (field: number): number[] =>
    Array.from(
      { length: memory.size.cpus },
      (_, id) => (memory.words[percpuBase(memory.percpuAt, id as CpuId) + PC_LOCK_WAITS + field] as number) >>> 0,
    );
  const sum = (field: number): number => of(field).reduce((total, value) => total + value, 0);
  const most = (field: number): number => Math.max(...of(field));
  return {
    locks: WAITED_LOCKS.map((lock, row) => {
      const at = row * ROW_WORDS;
      return {
        lock,
        decades: Array.from({ length: WAIT_DECADES }, (_, decade) => sum(at + decade)),
        waitUs: sum(at + WAIT_US),
        behindIo: sum(at + BEHIND),
        behindIoUs: sum(at + BEHIND_US),
        behindIoUsMax: most(at + BEHIND_US_MAX),
        invertedUs: sum(at + INVERTED_US),
        heldOverIo: sum(at + HELD_IO),
        heldOverIoUs: sum(at + HELD_IO_US),
        heldOverIoUsMax: most(at + HELD_IO_US_MAX),
      };
    }),
    forks: {
      forks: sum(FORKS_AT + FORKS),
      stalled: sum(FORKS_AT + FORKS_STALLED),
      stallUs: sum(FORKS_AT + FORK_STALL_US),
      stallUsMax: most(FORKS_AT + FORK_STALL_US_MAX),
    },
  };
}

/**
 * The locks that a CPU holds, as a short stack in its per-CPU block. Plain stores: only this CPU writes it, and the watchdog reads it
 * when the CPU is stuck.
 * @kernel kernel/locking/lockdep.c (task_struct.held_locks)
 * @fidelity reduced: which lock, which class and which mode; no call sites
 * Next: locking/rwsem.ts registers here
 */
import { assert } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { HELD_MAX, HELD_WORDS, PC_HELD, percpuBase } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import type { LockClass } from './lock_class.ts';

// Copies: V8 folds a constant of this module into the machine code, an imported one it loads each time.
const HELD_AT = PC_HELD;
/** Word of an entry beyond the top: others read the stack up to the first of these. No lock lies at word 0. */
const NOTHING = 0;
const ENTRIES = HELD_MAX;
const ENTRY_WORDS = HELD_WORDS;

export const MODE_READ = 0;
export const MODE_WRITE = 1;
/** The answer of heldMode for a lock that is not held. */
export const MODE_NONE = -1;

const CLASS_SHIFT = 2;
const MODE_MASK = 3;
assert(ENTRY_WORDS === 2, 'held_locks: an entry is two words, the lock and its class and mode');

/** Registers a lock just taken. */
export function heldAcquire(cpu: Cpu, lockClass: LockClass, word: Word, mode: number): void {
  const { words, percpu } = cpu;
  const count = cpu.held;
  assert(count < ENTRIES, 'heldAcquire: this CPU holds too many locks');
  const entry = percpu + HELD_AT + (count << 1);
  words[entry + 1] = (lockClass << CLASS_SHIFT) | mode;
  words[entry] = word;
  cpu.held = count + 1;
}

/** Position of the entry of a lock, searched from the top of the stack, or -1. */
function findEntry(cpu: Cpu, word: Word): number {
  const { words, percpu } = cpu;
  const bottom = percpu + HELD_AT;
  for (let entry = bottom + ((cpu.held - 1) << 1); entry >= bottom; entry -= ENTRY_WORDS) {
    if (words[entry] === word) return entry;
  }
  return -1;
}

/**
 * Removes a lock about to be released. A lock that this CPU does not hold is an InvariantError: a foreign or double unlock.
 * @returns the class and mode it was held in: `class << 2 | mode`
 */
export function heldRelease(cpu: Cpu, word: Word): number {
  const { words, percpu } = cpu;
  const count = cpu.held - 1;
  const top = percpu + HELD_AT + (count << 1);
  if (count >= 0 && words[top] === word) {
    words[top] = NOTHING;
    cpu.held = count;
    return words[top + 1] as number;
  }
  return releaseBelowTop(cpu, word, top);
}

/** Locks need not be released in the opposite order of taking: close the gap. */
function releaseBelowTop(cpu: Cpu, word: Word, top: number): number {
  const { words } = cpu;
  const entry = findEntry(cpu, word);
  assert(entry >= 0, 'heldRelease: this CPU does not hold the lock that it releases');
  const released = words[entry + 1] as number;
  words.copyWithin(entry, entry + ENTRY_WORDS, top + ENTRY_WORDS);
  words[top] = NOTHING;
  cpu.held--;
  return released;
}

/** Mode part of what heldRelease returned. */
export const releasedMode = (released: number): number => released & MODE_MASK;
/** Class part of what heldRelease returned. */
export const releasedClass = (released: number): LockClass => released >>> CLASS_SHIFT;

/** Turns a write-held lock into a read-held one. @returns its class */
export function heldDowngrade(cpu: Cpu, word: Word): LockClass {
  const entry = findEntry(cpu, word);
  assert(entry >= 0, 'heldDowngrade: this CPU does not hold the lock');
  const before = cpu.words[entry + 1] as number;
  assert((before & MODE_MASK) === MODE_WRITE, 'heldDowngrade: the lock is not held for writing');
  cpu.words[entry + 1] = (before & ~MODE_MASK) | MODE_READ;
  return before >>> CLASS_SHIFT;
}

/** How this CPU holds a lock: MODE_READ, MODE_WRITE or MODE_NONE. @kernel lock_is_held_type() */
export function heldMode(cpu: Cpu, word: Word): number {
  const entry = findEntry(cpu, word);
  return entry < 0 ? MODE_NONE : (cpu.words[entry + 1] as number) & MODE_MASK;
}

/** Does this CPU hold a lock of that class, whichever and however? */
export function holdsClass(cpu: Cpu, lockClass: LockClass): boolean {
  const bottom = cpu.percpu + HELD_AT;
  for (let entry = bottom; entry < bottom + (cpu.held << 1); entry += ENTRY_WORDS) {
    if ((cpu.words[entry + 1] as number) >>> CLASS_SHIFT === lockClass) return true;
  }
  return false;
}

/** How many locks this CPU holds, spinlocks not counted. */
export function heldCount(cpu: Cpu): number {
  return cpu.held;
}

export interface HeldLock {
  readonly class: LockClass;
  readonly word: Word;
  /** MODE_READ or MODE_WRITE. */
  readonly mode: number;
}

/** The locks that a CPU holds, oldest first. Exact for a CPU that does not move; a report otherwise. */
export function readHeld(memory: SharedMemory, cpuId: CpuId): HeldLock[] {
  const base = percpuBase(memory.percpuAt, cpuId) + HELD_AT;
  const held: HeldLock[] = [];
  for (let entry = base; entry < base + ENTRIES * ENTRY_WORDS && memory.words[entry] !== NOTHING; entry += ENTRY_WORDS) {
    const meaning = memory.words[entry + 1] as number;
    held.push({ class: meaning >>> CLASS_SHIFT, word: memory.words[entry] as Word, mode: meaning & MODE_MASK });
  }
  return held;
}

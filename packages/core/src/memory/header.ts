/**
 * The first words of the arena: identity of the layout, and the words by which the outside reaches every CPU, asleep or not.
 * (No message reaches a thread inside Atomics.wait; these words do, because every sleep is bounded.)
 * Next: memory/park.ts looks at FREEZE after each sleep.
 */
import type { Word } from '../base/brand.ts';

export const H_MAGIC = 0 as Word;
export const H_VERSION = 1 as Word;
export const H_WORDS = 2 as Word;
/** The mutant that this machine is (mutants/ids.ts); 0 for the right model. Written at boot, read by every CPU when it is made. */
export const H_MUTANT = 3 as Word;
/** Non-zero: every CPU throws MachineStopped at its next sleep, spin or operation. Holds 1 + the CPU that froze the machine, or -1 from outside. */
export const H_FREEZE = 16 as Word;
/** Non-zero: every CPU ends its program after the operation it is in. */
export const H_STOP = 17 as Word;
/** Non-zero: injections into background threads act. Their CPUs live from the boot on, but a run is laid out and cleared away undisturbed. */
export const H_INJECT = 18 as Word;
/** Background threads: odd while they are asked to rest, their CPUs, what wakes them, when they rest (sched/kthread.ts). */
export const H_KTHREAD = 20 as Word;
/** CPUs that have reached the start gate, and the gate itself. */
export const H_ARRIVED = 32 as Word;
export const H_START = 33 as Word;
/** CPUs that have left their program. */
export const H_LEFT = 34 as Word;
/** RCU: number of the current grace period, and the CPU count it waits for. */
export const H_RCU_GP_SEQ = 48 as Word;
/** First of 64 words for machine-wide state of later layers (frame allocator, counters, ...). */
export const H_ZONE = 64 as Word;
/** First of 64 words for the state of the page cache and of writeback that belongs to the whole machine (mm/vmstat.ts, mm/vm_sysctl.ts). */
export const H_VM = 128 as Word;
/** First of 64 words for the lists of pages that reclaim walks (mm/lru.ts). */
export const H_LRU = 192 as Word;

export const FROZEN_FROM_OUTSIDE = -1;

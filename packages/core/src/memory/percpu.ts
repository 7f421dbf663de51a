/**
 * One block of words for each CPU: what it publishes about itself, its task state, its wait-queue entry, the locks it holds, its counters.
 * A CPU is one thread and one task, so this is task_struct and per-CPU data in one.
 * @kernel include/linux/percpu.h, include/linux/sched.h (task_struct)
 * @fidelity reduced: one task per CPU, for ever
 * Next: sched/task.ts
 */
import type { CpuId, Word } from '../base/brand.ts';

/** 3.25 KiB. Lines written by their own CPU and lines written by others are kept apart. */
export const PERCPU_WORDS = 832;

// --- line 0: published by the CPU, read by the watchdog -----------------------------------------------------------------------
/** Counts finished operations, and steps of long ones; the watchdog looks for movement here. */
export const PC_PROGRESS = 0;
/** RUN_* below. */
export const PC_RUN_STATE = 1;
/** What the CPU sleeps for: a WAIT_* kind and the word of the lock, or 0. */
export const PC_WAIT_KIND = 2;
export const PC_WAIT_WORD = 3;
/** Milliseconds on the CPU's clock when the wait began. */
export const PC_WAIT_SINCE = 4;
/** Index and kind of the program's current operation. */
export const PC_OP_INDEX = 5;
export const PC_OP_KIND = 6;
/** Address space the task runs on (MmId), and the page of the fault being handled plus one, or 0. */
export const PC_MM = 7;
export const PC_FAULT_VPN = 8;
/** Process the task belongs to; a label for reports. */
export const PC_PROCESS = 9;
/** Times the CPU slept. */
export const PC_PARKS = 11;
/** Stays 0: nobody wakes a sleeper here, so it sleeps for a time. */
export const PC_NAP = 15;

// --- line 1: written by other CPUs too ------------------------------------------------------------------------------------------
/** TASK_*: the word the task sleeps on. */
export const PC_TASK_STATE = 16;
/** Pending signals: bit (signal - 1). */
export const PC_SIGPENDING = 17;
/** Last grace period whose start this CPU has seen in a quiescent state; RCU_OFFLINE while it sleeps. */
export const PC_RCU_QS = 18;
/** Spinlock: a signal to the process that the task belongs to, against its change to another one. */
export const PC_SIGLOCK = 19;

// --- line 2: written on every user access ---------------------------------------------------------------------------------------
/** Odd while the CPU is between looking up a translation and using it. */
export const PC_TLB_ACCESS = 32;
/** Entries of an older generation are invalid. */
export const PC_TLB_GENERATION = 33;

// --- line 3: the entry of this CPU in a wait queue (it waits for one thing at a time) --------------------------------------------
export const PC_WAITER = 48;
export const WAITER_WORDS = 16;
// --- line 4: optimistic-spin queue node ------------------------------------------------------------------------------------------
export const PC_OSQ = 64;
// --- lines 5-8: held locks --------------------------------------------------------------------------------------------------------
export const PC_HELD = 80;
export const HELD_MAX = 32;
export const HELD_WORDS = 2;
// --- line 9: free frames of this CPU, RCU callback lists ---------------------------------------------------------------------------
export const PC_PCP_HEAD = 144;
export const PC_PCP_COUNT = 145;
export const PC_RCU_NEXT_HEAD = 152;
export const PC_RCU_NEXT_TAIL = 153;
export const PC_RCU_WAIT_HEAD = 154;
export const PC_RCU_WAIT_TAIL = 155;
export const PC_RCU_WAIT_SEQ = 156;
export const PC_RCU_PENDING = 157;
// --- line 10: task accounting -------------------------------------------------------------------------------------------------------
export const PC_MAJ_FLT = 160;
export const PC_MIN_FLT = 161;
// --- lines 11-42: event counters (trace/counters.ts), lock statistics (locking/lock_stat.ts) ---------------------------------------
export const PC_COUNTERS = 176;
export const COUNTERS_MAX = 256;
export const PC_LOCK_STAT = 432;
export const LOCK_STAT_WORDS = 256;
// --- lines 43-47: waits for the locks of address spaces; other CPUs read the sleeps for devices (locking/lock_waits.ts) ----------------
export const PC_LOCK_WAITS = 688;
export const LOCK_WAIT_WORDS = 56;
export const PC_IO_SLEEPS = 744;
export const IO_SLEEP_WORDS = 24;
// --- line 48: what this task asked a userfaultfd for; the handler's thread reads and writes it too --------------------------------------
export const PC_USERFAULT = 768;
export const USERFAULT_WORDS = 16;
// --- lines 49-50: pages on their way to the lists of reclaim ----------------------------------------------------------------------------
export const PC_LRU_BATCH = 784;
export const LRU_BATCH_WORDS = 32;
// --- line 51: small per-task state: pages dirtied since the last look at the dirty limits ---------------------------------------------
export const PC_NR_DIRTIED = 816;
/** Entries at the beginning of the batch of pages that another CPU has brought to their lists already, and the lock under which it does. */
export const PC_LRU_TAKEN = 817;
export const PC_LRU_LOCK = 818;
/** The slot that this CPU was given last, of each of the 8 swap areas. */
export const PC_SWAP_LAST = 824;

export const RUN_OFFLINE = 0;
export const RUN_RUNNING = 1;
export const RUN_PARKED = 2;
export const RUN_DONE = 3;

/** Why a CPU sleeps, for reports. */
export const WAIT_NONE = 0;
export const WAIT_RWSEM_READ = 1;
export const WAIT_RWSEM_WRITE = 2;
export const WAIT_MUTEX = 3;
export const WAIT_SPINLOCK = 4;
export const WAIT_RCUWAIT = 5;
export const WAIT_COMPLETION = 6;
export const WAIT_FOLIO = 7;
export const WAIT_RCU = 8;
export const WAIT_IO = 9;
export const WAIT_USERFAULT = 10;
export const WAIT_ORDER = 11;
export const WAIT_BARRIER = 12;
export const WAIT_TLB = 13;
export const WAIT_DIRTY = 14;
export const WAIT_FENCE = 15;
export const WAIT_SWAPIN = 16;
export const WAIT_UFFD_READ = 17;
export const WAIT_PUNCH = 18;
export const WAIT_FILE_PINS = 19;
export const WAIT_RECLAIM = 20;
export const WAIT_PAUSED = 21;
export const WAIT_STOPPED = 22;
export const WAIT_WORK = 23;
export const WAIT_OVER_HIGH = 24;
export const WAIT_RESCHED = 25;
export const WAIT_NAMES: readonly string[] = [
  'nothing',
  'rwsem (read)',
  'rwsem (write)',
  'mutex',
  'spinlock',
  'rcuwait',
  'completion',
  'folio lock',
  'grace period',
  'I/O',
  'userfaultfd',
  'an earlier operation of the trace',
  'barrier',
  'TLB shootdown',
  'dirty throttling',
  'GPU fence',
  'a swap entry that another fault reads in',
  'a userfault event',
  'the end of a hole punch',
  'faults that keep a file',
  'pages that can be freed',
  'the end of an injected pause',
  'nothing any more since an injected stop',
  'work',
  'the end of a delay for being over memory.high',
  'whoever needs the core to get on',
];

/** First word of a CPU's block, given the base of the percpu region. */
export function percpuBase(regionBase: number, cpu: CpuId): Word {
  return (regionBase + cpu * PERCPU_WORDS) as Word;
}

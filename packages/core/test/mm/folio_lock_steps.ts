/**
 * Forced interleavings of the folio lock on real threads: each thread executes a script, and its steps wait for one another. Nothing
 * depends on how long anything takes. A script is steps with semicolons between them:
 *
 *   folio_lock          a call, or a double of folio_lock_wrong.ts, on the page P; its result goes into the thread's results
 *   folio_lock Q        the same on the page Q, whose waiters share the queue of P
 *   look LUW [Q]        which of PG_locked, PG_uptodate and PG_waiters are set goes into the results: "LW", or "-" for none
 *   raise 0, await 0    raises a flag; goes on when it has been raised
 *   asleep 1            goes on when CPU 1 sleeps, on a folio or on a spinlock
 *   stop flags 2        when this CPU is about to update the flags of P for the second time, it stops until somebody says go. Also
 *                       "stop queue" for the spinlock of the queue, and "stop state" for a store of its own task state. Several stops
 *                       are made in their order, each counted from the one before. Not in lock-step.
 *   reached 1, go 1     goes on when CPU 1 stands at a stop; lets it go on
 *   note x              writes a letter into the common log
 *   kill 1              sends SIGKILL
 *
 * Next: folio_lock_steps.worker.ts executes the scripts
 */
import type { Pfn } from '@faultlab/core/base/brand';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory, type MemoryHandle, type SharedMemory } from '@faultlab/core/memory/shared_memory';
import { folioFlagsWord, folioLockOwnerWord, PG_locked, PG_writeback } from '@faultlab/core/mm/folio';
import { OWNER_NONE } from '@faultlab/core/mm/folio_lock';
import { folioWaitHead } from '@faultlab/core/mm/folio_wait';
import { runThreads } from '@faultlab/test-support';

export interface FolioOrder {
  readonly handle: MemoryHandle;
  readonly cpu: number;
  readonly cpus: number;
  readonly script: string;
  /** In lock-step: 0 for the lowest CPU first, otherwise a seed. Null for free-running with stops. */
  readonly seed: number | null;
}

export const FRAMES = 1024;
/** The page P of the scripts. */
export const PAGE: Pfn = 5 as Pfn;

/** Lines of the user region. */
export const FLAGS_LINE = 4;
export const STOPS_LINE = 5;
export const LOG_LINE = 6;
export const GATE_LINE = 22;

export const folioMemory = (cpus: number): SharedMemory => createMemory({ ...LOCKS_ONLY_SIZE, cpus, frames: FRAMES });

/** Another folio whose waiters share the queue of the first. */
export function collidingWith(memory: SharedMemory, pfn: Pfn): Pfn {
  for (let other = 1; other < FRAMES; other++) {
    if (other !== pfn && folioWaitHead(memory, other as Pfn) === folioWaitHead(memory, pfn)) return other as Pfn;
  }
  throw new Error(`no folio below ${FRAMES} shares the queue of folio ${pfn}`);
}

export interface Outcome {
  readonly memory: SharedMemory;
  /** What the calls and looks of each thread returned, in words. */
  readonly results: readonly (readonly string[])[];
  readonly log: string;
}

/** Runs the scripts, one thread each, freely or in lock-step. */
export async function runScripts(scripts: readonly string[], seed: number | null = null): Promise<Outcome> {
  const memory = folioMemory(scripts.length);
  const results = await runThreads<string[], FolioOrder>({
    module: new URL('./folio_lock_steps.worker.js', import.meta.url),
    count: scripts.length,
    data: (cpu) => ({ handle: memory.handle, cpu, cpus: scripts.length, script: scripts[cpu] as string, seed }),
  });
  const log = memory.userAt + LOG_LINE * 16;
  const letters = memory.words.subarray(log + 1, log + 1 + (memory.words[log] as number));
  return { memory, results, log: String.fromCharCode(...letters) };
}

/** What is not as it must be when nobody does anything: a queue in use, a folio locked or being written. Empty when all is well. */
export function problemAtRest(memory: SharedMemory): string {
  const queues = memory.layout.regions.folioWaits;
  const used = memory.words.subarray(queues.base, queues.base + queues.words).findIndex((word) => word !== 0);
  if (used >= 0) return `word ${used} of the queues is not zero: somebody is queued, or a spinlock is held`;
  for (let pfn = 0; pfn < memory.size.frames; pfn++) {
    const flags = memory.words[folioFlagsWord(memory, pfn as Pfn)] as number;
    if ((flags & (PG_locked | PG_writeback)) !== 0) return `folio ${pfn} is locked or being written`;
    if (memory.words[folioLockOwnerWord(memory, pfn as Pfn)] !== OWNER_NONE) return `folio ${pfn} is unlocked, but has an owner`;
  }
  return '';
}

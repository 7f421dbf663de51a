/** How many sections per second pass through one folio lock, and through locks of different folios. */
import type { Pfn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory, type SharedMemory } from '@faultlab/core/memory/shared_memory';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { repeatUntil, type Work } from '../../work.ts';

const FRAMES = 1024;
/** Folios of different threads are this far apart: their flags share no cache line, nor a pair of them. */
const STRIDE = 4;
/** What a lock guards lies here, from the base of the work's words. */
const GUARDED = 64;

/** Room for locks, and folios. */
export const memoryWithFolios = (threads: number): SharedMemory =>
  createMemory({ ...LOCKS_ONLY_SIZE, cpus: threads, frames: FRAMES, userWords: 2048 });

function sections(cpu: Cpu, pfn: Pfn, guarded: number, count: number): void {
  const { words } = cpu;
  for (let i = 0; i < count; i++) {
    folio_lock(cpu, pfn);
    words[guarded] = (words[guarded] as number) + 1;
    folio_unlock(cpu, pfn);
  }
}

const contendForFolio = (name: string, own: boolean): Work => ({
  name,
  run: ({ cpu, base, thread, until }) => {
    const which = own ? thread : 0;
    const pfn = (1 + which * STRIDE) as Pfn;
    const guarded = base + which * GUARDED;
    return { operations: repeatUntil(until, (count) => sections(cpu, pfn, guarded, count)) };
  },
});

export const folioLockWorks: readonly Work[] = [contendForFolio('folio lock', false), contendForFolio('folio lock, own folio', true)];

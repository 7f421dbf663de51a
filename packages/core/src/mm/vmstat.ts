/**
 * Counts of pages in a state, for the whole machine: words that every CPU adds to.
 * @kernel mm/vmstat.c (NR_FILE_DIRTY, NR_WRITEBACK)
 * @fidelity reduced: one word each, no per-CPU deltas
 * Next: mm/folio_dirty.ts
 */
import type { Word } from '../base/brand.ts';
import { READ_ONCE, type Steps } from '../memory/atomic.ts';
import { H_VM } from '../memory/header.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';

/** Atomic: pages of files that are dirty. */
export const NR_FILE_DIRTY: Word = H_VM;
/** Atomic: pages on their way to a device. */
export const NR_WRITEBACK = (H_VM + 1) as Word;

/** Atomic: CPUs that sleep until fewer pages are dirty. */
export const NR_DIRTY_THROTTLED = (H_VM + 2) as Word;

export const nr_file_dirty = (m: SharedMemory): number => m.words[NR_FILE_DIRTY] as number;
/** The same as a hint, while others count. */
export const nrFileDirtyOnce = (cpu: Steps): number => READ_ONCE(cpu, NR_FILE_DIRTY);
export const nr_writeback = (m: SharedMemory): number => m.words[NR_WRITEBACK] as number;

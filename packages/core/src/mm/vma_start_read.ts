/**
 * What an attempt to take a VMA read lock can answer.
 * @kernel mm/mmap_lock.c vma_start_read(): the area, NULL, or an error pointer with EAGAIN
 * @fidelity faithful
 * Next: mm/vma_lock.ts
 */
export const VMA_LOCKED = 0;
/** Write-locked, overflowing, or another address space's by now: use mmap_lock. */
export const VMA_CONTENDED = 1;
/** Detached under us: look it up again. */
export const VMA_DETACHED = 2;
export type StartRead = 0 | 1 | 2;

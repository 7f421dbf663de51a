/**
 * What a caller of GUP wants of the pages, and what it can live with.
 * @kernel include/linux/mm_types.h (FOLL_*), mm/internal.h (FOLL_TOUCH and the like)
 * @fidelity faithful for the values; those that nothing here needs are left out
 * Next: fault/faultin_page.ts
 */
export const FOLL_WRITE = 0x1;
/** A reference on each page. */
export const FOLL_GET = 0x2;
/** What the area allows at most counts, not what it allows now. Here for reads only. */
export const FOLL_FORCE = 0x8;
/** A fault that would have to wait ends the call instead, with the lock kept. */
export const FOLL_NOWAIT = 0x10;
/** A page that is not there ends the call. */
export const FOLL_NOFAULT = 0x20;
/** Broken memory is reported as such (EHWPOISON), not as EFAULT. */
export const FOLL_HWPOISON = 0x40;
/** Any signal ends the call, not only a fatal one. */
export const FOLL_INTERRUPTIBLE = 0x800;
/** The pages count as used. */
export const FOLL_TOUCH = 0x10000;
/** The lock has been dropped once for the page to come. */
export const FOLL_TRIED = 0x20000;
/** The address space may be another task's. */
export const FOLL_REMOTE = 0x40000;
/** A pin on each page, and so a page that is the owner's alone. */
export const FOLL_PIN = 0x80000;
/** mmap_lock may be dropped; the caller is told. */
export const FOLL_UNLOCKABLE = 0x200000;
/** madvise asks: a hole is ENOMEM, an area that cannot be faulted in is EINVAL. */
export const FOLL_MADV_POPULATE = 0x400000;

/**
 * mmap_lock as a callee may find and leave it: held for reading, or not. A function of GUP that has dropped the lock clears it, and the area that its
 * caller had is void then.
 * @kernel int *locked
 */
export interface GupLock {
  locked: boolean;
}

/**
 * Read-ahead: which pages of a file are read along with the one that is wanted. The window is kept in the file, and grows while the reader
 * goes on where it ends.
 *
 *   start           start + size - async_size       start + size
 *     |----------------------|-----------------------------|
 *                            ^ page with PG_readahead: who comes here starts the next window, before he has to wait for it
 *
 * The words of the window are read and written without a lock, as in the kernel: two readers at once spoil the guess, nothing else.
 * @kernel mm/readahead.c page_cache_ra_unbounded(), do_page_cache_ra(), page_cache_sync_ra(), page_cache_async_ra()
 * @fidelity reduced: single pages; no congestion, no limit on I/O sizes
 * Next: fault/mmap_readahead.ts
 */

import type { MappingId, Pfn } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import {
  filemap_invalidate_lock_shared,
  filemap_invalidate_unlock_shared,
  i_size_read,
  pagesRoot,
  raAsyncSizeWord,
  raPagesWord,
  raPrevPosWord,
  raSizeWord,
  raStartWord,
} from '../mm/address_space.ts';
import { allocForReadahead } from '../mm/alloc_or_reclaim.ts';
import { filemap_add_folio } from '../mm/filemap.ts';
import { folioClear, folioSet, NO_FOLIO, PG_readahead } from '../mm/folio.ts';
import { __folio_set_locked, folio_unlock, folioLockToIo } from '../mm/folio_lock.ts';
import { folio_test_writeback } from '../mm/folio_writeback.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { xa_is_value } from '../mm/swap_entry.ts';
import { xa_load } from '../mm/xarray.ts';
import { count_vm_event, count_vm_events, RA_ASYNC, RA_PAGES, RA_SYNC } from '../trace/counters.ts';
import { REQUEST_PAGES_MAX } from './device_record.ts';
import { submitFileRead } from './file_io.ts';

/** A run of pages that are locked for one request. */
class ReadBatch {
  readonly #cpu: Cpu;
  readonly #file: MappingId;
  #first = 0;
  #pages: Pfn[] = [];

  constructor(cpu: Cpu, file: MappingId) {
    this.#cpu = cpu;
    this.#file = file;
  }

  /** Takes a page that was added to the cache; its lock goes to the I/O, and the caller's reference is dropped: the lock keeps the page in the cache. */
  add(index: number, pfn: Pfn): void {
    if (this.#pages.length === 0) this.#first = index;
    folioLockToIo(this.#cpu, pfn);
    folio_put(this.#cpu, pfn);
    this.#pages.push(pfn);
    if (this.#pages.length === REQUEST_PAGES_MAX) this.submit();
  }

  /** @kernel read_pages() */
  submit(): void {
    if (this.#pages.length === 0) return;
    const pages = this.#pages;
    this.#pages = [];
    submitFileRead(this.#cpu, this.#file, this.#first, pages);
  }
}

/** Is there a folio at the page? A glance. */
const cached = (cpu: Cpu, file: MappingId, index: number): boolean => {
  const entry = xa_load(cpu, pagesRoot(cpu.memory, file), index);
  return entry !== 0 && !xa_is_value(entry);
};

/**
 * Starts reading those of `nr` pages from `start` that are not cached; the page `lookahead` before the end carries the mark.
 * Stops early when memory is out.
 * @locks in: none of the file. Takes the invalidate lock shared. May sleep, not for the reads
 */
export function page_cache_ra_unbounded(cpu: Cpu, file: MappingId, start: number, nr: number, lookahead: number): void {
  const mark = start + nr - lookahead;
  const batch = new ReadBatch(cpu, file);
  let read = 0;
  filemap_invalidate_lock_shared(cpu, file);
  const end = Math.min(start + nr, i_size_read(cpu, file)); // Only now: under the lock the file cannot get shorter.
  for (let index = start; index < end; index++) {
    if (cached(cpu, file, index)) {
      batch.submit();
      continue;
    }
    const pfn = allocForReadahead(cpu);
    if (pfn === NO_FOLIO) break;
    __folio_set_locked(cpu, pfn);
    if (index === mark) folioSet(cpu, pfn, PG_readahead);
    const error = filemap_add_folio(cpu, file, index, pfn);
    if (error === 0) {
      batch.add(index, pfn);
      read++;
      continue;
    }
    folio_unlock(cpu, pfn);
    folio_put(cpu, pfn);
    if (error === ENOMEM) break;
    batch.submit();
  }
  batch.submit();
  filemap_invalidate_unlock_shared(cpu, file);
  count_vm_events(cpu, RA_PAGES, read);
}

/** As page_cache_ra_unbounded(), but not past the end of the file. */
export function do_page_cache_ra(cpu: Cpu, file: MappingId, start: number, nr: number, lookahead: number): void {
  const left = i_size_read(cpu, file) - start;
  if (left > 0) page_cache_ra_unbounded(cpu, file, start, Math.min(nr, left), lookahead);
}

/** Notes the window and reads it. @locks as page_cache_ra_unbounded() @kernel page_cache_ra_order() for single pages */
export function readWindow(cpu: Cpu, file: MappingId, start: number, size: number, asyncSize: number): void {
  const m = cpu.memory;
  WRITE_ONCE(cpu, raStartWord(m, file), start);
  WRITE_ONCE(cpu, raSizeWord(m, file), size);
  WRITE_ONCE(cpu, raAsyncSizeWord(m, file), asyncSize);
  do_page_cache_ra(cpu, file, start, size, asyncSize);
}

const roundUpToPowerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)));

/** The first window of a sequential reader: larger than asked, by a factor that gets smaller towards the maximum. */
function get_init_ra_size(size: number, max: number): number {
  const rounded = roundUpToPowerOfTwo(size);
  if (rounded <= max / 32) return rounded * 4;
  return rounded <= max / 4 ? rounded * 2 : max;
}

/** The window after one of `size`. */
function get_next_ra_size(size: number, max: number): number {
  if (size < max / 16) return size * 4;
  return size <= max / 2 ? size * 2 : max;
}

/** Cached pages without a gap right before `index`, at most `max` of them. @kernel page_cache_prev_miss() */
function cachedBefore(cpu: Cpu, file: MappingId, index: number, max: number): number {
  let count = 0;
  while (count < max && index - 1 - count >= 0 && cached(cpu, file, index - 1 - count)) count++;
  return count;
}

/**
 * A page is missing that a reader wants, and `wanted` pages with it: reads it, and ahead of it when the reader seems to be sequential.
 * @locks as page_cache_ra_unbounded()
 */
export function page_cache_sync_ra(cpu: Cpu, file: MappingId, index: number, wanted: number): void {
  const m = cpu.memory;
  const max = READ_ONCE(cpu, raPagesWord(m, file));
  count_vm_event(cpu, RA_SYNC);
  if (max === 0) {
    do_page_cache_ra(cpu, file, index, 1, 0);
    return;
  }
  const step = index - READ_ONCE(cpu, raPrevPosWord(m, file));
  if (index === 0 || wanted > max || step === 0 || step === 1) {
    const size = get_init_ra_size(wanted, max);
    readWindow(cpu, file, index, size, size > wanted ? size - wanted : size >>> 1);
    return;
  }
  // What a sequential reader leaves behind is cached right before the page.
  const before = cachedBefore(cpu, file, index, max);
  if (before <= wanted) {
    do_page_cache_ra(cpu, file, index, wanted, 0);
    return;
  }
  const fromTheStart = before === index;
  readWindow(cpu, file, index, Math.min((fromTheStart ? before * 2 : before) + wanted, max), 1);
}

/** First page from `index` on that is not cached, or -1 when there is none among `max`. @kernel page_cache_next_miss() */
function nextMiss(cpu: Cpu, file: MappingId, index: number, max: number): number {
  for (let at = index; at < index + max; at++) if (!cached(cpu, file, at)) return at;
  return -1;
}

/**
 * A reader has come to the marked page: starts the next window, so that it is there when he is.
 * @param pfn the marked folio, with a reference
 * @locks as page_cache_ra_unbounded()
 */
export function page_cache_async_ra(cpu: Cpu, file: MappingId, pfn: Pfn, index: number, wanted: number): void {
  const m = cpu.memory;
  const max = READ_ONCE(cpu, raPagesWord(m, file));
  if (max === 0 || folio_test_writeback(cpu, pfn)) return;
  folioClear(cpu, pfn, PG_readahead); // Alone: two readers that both see the mark both read ahead, as in the kernel.
  count_vm_event(cpu, RA_ASYNC);
  const start = READ_ONCE(cpu, raStartWord(m, file));
  const size = READ_ONCE(cpu, raSizeWord(m, file));
  if (index === start + size - READ_ONCE(cpu, raAsyncSizeWord(m, file))) {
    const next = get_next_ra_size(size, max);
    readWindow(cpu, file, start + size, next, next);
    return;
  }
  // A mark of another reader's window: what is cached from here on tells how large it was.
  const miss = nextMiss(cpu, file, index + 1, max);
  if (miss < 0 || miss - index > max) return;
  const next = get_next_ra_size(miss - index + wanted, max);
  readWindow(cpu, file, miss, next, next);
}

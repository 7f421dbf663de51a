/**
 * What happens when a device has served a request: the functions behind the numbers that requests carry, because shared memory holds no
 * functions. Whoever builds a Cpu puts them at these positions of `endIo`; number 0 is END_IO_NONE.
 * They run on the device's CPU (the submitter's, if the device has no server), after the data has been moved, and may not sleep.
 * @kernel include/linux/blk_types.h (bio->bi_end_io); mm/filemap.c folio_end_read()
 * @fidelity reduced: pages of files and of swap only
 * Next: mm/folio_lock.ts
 */
import type { MappingId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { wbErrWord } from '../mm/address_space.ts';
import { wakeThrottled } from '../mm/balance_dirty_pages.ts';
import { errseq_set } from '../mm/errseq.ts';
import { folio_get } from '../mm/folio.ts';
import { folio_end_read } from '../mm/folio_lock.ts';
import { folio_end_writeback } from '../mm/folio_writeback.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { count_vm_events, NR_WRITTEN } from '../trace/counters.ts';
import { type DeviceId, type RequestId, requestCount, requestError, requestExtent, requestPage } from './device_record.ts';

/** Pages that were locked for this read, their locks left to the I/O: up to date if it succeeded, unlocked, waiters woken. */
export const END_IO_READ_FOLIOS = 1;

/** One page of the swap cache was written (io/swap_io.ts). */
export const END_IO_SWAP_WRITE = 8;

/**
 * Behind END_IO_READ_FOLIOS. The pages may be anybody's on return. Each is kept by a reference until its waiters are woken:
 *
 *   finishing CPU                             others
 *   1 clears PG_locked, sees PG_waiters
 *                                             2 evict the page; its frame is another page's now, locked for a read of its own
 *                                             3 somebody waits for that read
 *   4 wakes the waiters of the frame          <- decides: the one of 3 takes it for the end of its read, and finds an error
 *
 * (The kernel relies on the cache's reference, which 2 takes away.)
 */
export function endReadFolios(cpu: Cpu, device: DeviceId, request: RequestId): void {
  const m = cpu.memory;
  const success = requestError(m, device, request) === 0;
  const count = requestCount(m, device, request);
  for (let i = 0; i < count; i++) {
    const pfn = requestPage(m, device, request, i);
    folio_get(cpu, pfn);
    folio_end_read(cpu, pfn, success);
    folio_put(cpu, pfn);
  }
}

/** Pages of a file that were being written, each with a reference of the I/O. */
export const END_IO_WRITE_FOLIOS = 2;

/**
 * Behind END_IO_WRITE_FOLIOS: an error is left for all who ask the file to be on the device, and the pages stay clean; those who wait for the
 * pages, or because too much is dirty, go on. The pages may be anybody's on return.
 */
export function endWriteFolios(cpu: Cpu, device: DeviceId, request: RequestId): void {
  const m = cpu.memory;
  const error = requestError(m, device, request);
  // The pages are still pages of the file, so the file is there: truncation waits for them.
  if (error !== 0) errseq_set(cpu, wbErrWord(m, requestExtent(m, device, request) as MappingId), error);
  const count = requestCount(m, device, request);
  for (let i = 0; i < count; i++) {
    const pfn = requestPage(m, device, request, i);
    folio_end_writeback(cpu, pfn);
    folio_put(cpu, pfn);
  }
  count_vm_events(cpu, NR_WRITTEN, count);
  wakeThrottled(cpu);
}

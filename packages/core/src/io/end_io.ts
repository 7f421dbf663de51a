/**
 * What happens when a device has served a request: the functions behind the numbers that requests carry, because shared memory holds no
 * functions. Whoever builds a Cpu puts them at these positions of `endIo`; number 0 is END_IO_NONE.
 * They run on the device's CPU (the submitter's, if the device has no server), after the data has been moved, and may not sleep.
 * @kernel include/linux/blk_types.h (bio->bi_end_io); mm/filemap.c folio_end_read()
 * @fidelity reduced: reads into the page cache only
 * Next: mm/folio_lock.ts
 */
import type { Cpu } from '../cpu.ts';
import { folio_end_read } from '../mm/folio_lock.ts';
import { type DeviceId, type RequestId, requestCount, requestError, requestPage } from './device_record.ts';

/** Pages that were locked for this read, their locks left to the I/O: up to date if it succeeded, unlocked, waiters woken. */
export const END_IO_READ_FOLIOS = 1;

/** Behind END_IO_READ_FOLIOS. The pages may be anybody's on return. */
export function endReadFolios(cpu: Cpu, device: DeviceId, request: RequestId): void {
  const m = cpu.memory;
  const success = requestError(m, device, request) === 0;
  const count = requestCount(m, device, request);
  for (let i = 0; i < count; i++) folio_end_read(cpu, requestPage(m, device, request, i), success);
}

/**
 * Reading pages of the page cache from the device that their file is on. A page that is read is locked, and its lock belongs to the I/O; so
 * whoever wants the page waits for its lock. Block n of the extent with the file's number is page n of the file.
 *
 *   reading CPU                               device                        another CPU
 *   1 adds a locked page, leaves the lock
 *     to the I/O, submits
 *                                                                           2 finds the page, sleeps for its lock
 *                                             3 moves the data
 *                                             4 in one step: up to date
 *                                               and unlocked
 *                                                                           5 wakes: up to date, or the read failed
 *
 * @kernel mm/readahead.c read_pages(); mm/filemap.c filemap_read_folio(); fs/mpage.c mpage_readahead()
 * @fidelity reduced: a request moves at most REQUEST_PAGES_MAX consecutive pages; nothing is merged
 * Next: io/readahead.ts
 */
import { assert } from '../base/assert.ts';
import type { MappingId, Pfn } from '../base/brand.ts';
import { EIO } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { FILE_DISK, fileDevice, fileKind, raPagesWord } from '../mm/address_space.ts';
import { folio_flags, folio_index, PG_locked, PG_uptodate } from '../mm/folio.ts';
import { folio_wait_locked_killable, folioLockToIo } from '../mm/folio_lock.ts';
import { count_vm_event, count_vm_events, PGPGIN, READ_FOLIO_SYNC } from '../trace/counters.ts';
import { AFTER_IO_WAIT, at } from '../trace/points.ts';
import { submitRequestWait } from './block_device.ts';
import { type DeviceId, REQ_OP_READ } from './device_record.ts';
import { END_IO_READ_FOLIOS } from './end_io.ts';

/**
 * Starts the read of consecutive pages, whose locks belong to the I/O already (folioLockToIo). They may be anybody's on return.
 * May sleep until the device has a request free; the pages' locks stay with the I/O meanwhile, whose end needs nothing of this CPU.
 * @param pages 1 to REQUEST_PAGES_MAX folios, the first of which is page `first` of the file
 */
export function submitFileRead(cpu: Cpu, file: MappingId, first: number, pages: readonly Pfn[]): void {
  const { memory } = cpu;
  assert(fileKind(memory, file) === FILE_DISK, 'submitFileRead: the file is on no device');
  count_vm_events(cpu, PGPGIN, pages.length);
  const device = fileDevice(memory, file) as DeviceId;
  submitRequestWait(cpu, device, { op: REQ_OP_READ, extent: file, first, pages, endIo: END_IO_READ_FOLIOS, argument: 0 });
}

/** After a failed read the window of the file shrinks, so that one bad block does not take its neighbours along every time. */
const SHRINK_SHIFT = 2;

/**
 * Reads one page and waits until it is up to date or its read has failed. A wake-up alone says neither: it may be meant for those who waited for the
 * frame when it was another page.
 *
 *   another CPU                               this CPU
 *   1 clears PG_locked of the frame, which
 *     is another page, sees PG_waiters
 *                                             2 reclaims that page, makes the frame its own page, locked for the read
 *                                             3 sleeps until it is unlocked
 *   4 wakes the waiters of the frame
 *                                             5 still locked, not up to date: sleeps again   <- decides
 *
 * @locks in: the folio lock, and a reference. out: the reference. May sleep. @returns 0, EIO, or EINTR when a fatal signal ended the wait
 */
export function filemap_read_folio(cpu: Cpu, file: MappingId, pfn: Pfn): number {
  count_vm_event(cpu, READ_FOLIO_SYNC);
  const index = folio_index(cpu.memory, pfn);
  folioLockToIo(cpu, pfn);
  submitFileRead(cpu, file, index, [pfn]);
  const error = waitForRead(cpu, pfn);
  at(cpu, AFTER_IO_WAIT);
  if (error !== EIO) return error;
  const window = raPagesWord(cpu.memory, file);
  WRITE_ONCE(cpu, window, READ_ONCE(cpu, window) >>> SHRINK_SHIFT);
  return EIO;
}

/** @locks in and out: a reference. May sleep. @returns 0 when the page is up to date, EIO when nobody reads it any more, or EINTR */
function waitForRead(cpu: Cpu, pfn: Pfn): number {
  for (;;) {
    const killed = folio_wait_locked_killable(cpu, pfn);
    if (killed !== 0) return killed;
    const flags = folio_flags(cpu, pfn); // Acquire: the contents. Pairs with: folio_end_read(), which changes both bits in one step.
    if ((flags & PG_uptodate) !== 0) return 0;
    if ((flags & PG_locked) === 0) return EIO;
  }
}

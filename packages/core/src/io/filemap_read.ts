/**
 * One page of a file for a reader that maps nothing: from the page cache, or from the device.
 * @kernel mm/filemap.c filemap_get_pages(), filemap_create_folio(), filemap_update_page()
 * @fidelity reduced: one page; no read-ahead
 * Next: syscalls/file_rw.ts
 */
import { assert } from '../base/assert.ts';
import type { MappingId, Pfn } from '../base/brand.ts';
import { EEXIST, EINTR, EIO, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { FILE_DISK, fileDevice, fileKind, filemap_invalidate_lock_shared, filemap_invalidate_unlock_shared } from '../mm/address_space.ts';
import { filemap_add_folio, filemap_get_folio, filemapGetResident, folioIsOf } from '../mm/filemap.ts';
import { folioTest, NO_FOLIO, PG_uptodate } from '../mm/folio.ts';
import { __folio_set_locked, folio_lock, folio_unlock, folio_wait_locked_killable, folioLockToIo } from '../mm/folio_lock.ts';
import { alloc_page, folio_put } from '../mm/page_alloc.ts';
import { submitRequestWait } from './block_device.ts';
import { type DeviceId, REQ_OP_READ } from './device_record.ts';
import { END_IO_READ_FOLIOS } from './end_io.ts';

/** A page with a reference for the caller, up to date when it was looked at; or an errno. */
export interface PageRead {
  readonly error: number;
  readonly pfn: Pfn;
}
const failed = (error: number): PageRead => ({ error, pfn: NO_FOLIO });

/** @locks none in, none out. Takes the invalidate lock shared and folio locks; may sleep, a fatal signal ends the sleep */
export function filemapReadPage(cpu: Cpu, file: MappingId, index: number): PageRead {
  if (fileKind(cpu.memory, file) !== FILE_DISK) {
    const resident = filemapGetResident(cpu, file, index);
    return resident === NO_FOLIO ? failed(ENOMEM) : { error: 0, pfn: resident };
  }
  for (;;) {
    const found = filemap_get_folio(cpu, file, index);
    const read = found === NO_FOLIO ? filemap_create_folio(cpu, file, index) : filemap_update_page(cpu, file, index, found);
    if (read !== AGAIN) return read;
  }
}

/** Somebody else was faster, or the page has left the file. */
const AGAIN = 'again';
type ReadOrAgain = PageRead | typeof AGAIN;

/** Created under the invalidate lock, so that a hole cannot be punched between the look and the read. */
function filemap_create_folio(cpu: Cpu, file: MappingId, index: number): ReadOrAgain {
  const pfn = alloc_page(cpu);
  if (pfn === NO_FOLIO) return failed(ENOMEM);
  filemap_invalidate_lock_shared(cpu, file);
  __folio_set_locked(cpu, pfn);
  const error = filemap_add_folio(cpu, file, index, pfn);
  if (error === 0) readLocked(cpu, file, index, pfn);
  else folio_unlock(cpu, pfn);
  filemap_invalidate_unlock_shared(cpu, file);
  if (error === 0) return readDone(cpu, pfn);
  folio_put(cpu, pfn);
  return error === EEXIST ? AGAIN : failed(error);
}

/** A page that is there: as it is, or read again when an earlier read has failed. */
function filemap_update_page(cpu: Cpu, file: MappingId, index: number, pfn: Pfn): ReadOrAgain {
  if (folioTest(cpu, pfn, PG_uptodate)) return { error: 0, pfn };
  filemap_invalidate_lock_shared(cpu, file);
  folio_lock(cpu, pfn);
  const mine = folioIsOf(cpu, pfn, file, index);
  const reads = mine && !folioTest(cpu, pfn, PG_uptodate);
  if (reads) readLocked(cpu, file, index, pfn);
  else folio_unlock(cpu, pfn);
  filemap_invalidate_unlock_shared(cpu, file);
  if (reads) return readDone(cpu, pfn);
  if (mine) return { error: 0, pfn };
  folio_put(cpu, pfn);
  return AGAIN;
}

/** Leaves the folio lock to the read. @locks in: the folio lock. out: the I/O's */
function readLocked(cpu: Cpu, file: MappingId, index: number, pfn: Pfn): void {
  assert(!folioTest(cpu, pfn, PG_uptodate), 'filemap_read: a page that is up to date is read again');
  folioLockToIo(cpu, pfn);
  const device = fileDevice(cpu.memory, file) as DeviceId;
  submitRequestWait(cpu, device, { op: REQ_OP_READ, extent: file, first: index, pages: [pfn], endIo: END_IO_READ_FOLIOS, argument: 0 });
}

function readDone(cpu: Cpu, pfn: Pfn): PageRead {
  const killed = folio_wait_locked_killable(cpu, pfn) !== 0;
  if (!killed && folioTest(cpu, pfn, PG_uptodate)) return { error: 0, pfn };
  folio_put(cpu, pfn);
  return failed(killed ? EINTR : EIO);
}

/**
 * Write-back: dirty pages of files go to their device. A page is locked only until its write is submitted; while it is written others may lock it,
 * map it and dirty it again.
 *
 *   lock -> clean it, write-protect its entries -> mark it as being written -> submit, unlock -> (end of the I/O) not being written
 *
 * @kernel mm/page-writeback.c write_cache_pages(); mm/filemap.c filemap_fdatawrite_range(), __filemap_fdatawait_range(), file_write_and_wait_range()
 * @fidelity reduced: a file that syncs writes in order of its pages; no inode lists, no estimate of bandwidth; a task has each file open once
 * Next: io/end_io.ts
 */
import type { MappingId, Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read } from '../memory/atomic.ts';
import { fileDevice, mapping_can_writeback, nrdirtyWord, tryGetFile, wbErrWord } from '../mm/address_space.ts';
import { errseq_check_and_advance, errseq_sample } from '../mm/errseq.ts';
import { eachCachedFolio, folioIsOf } from '../mm/filemap.ts';
import { folio_get, folioTest, PG_dirty } from '../mm/folio.ts';
import { folio_clear_dirty_for_io } from '../mm/folio_dirty.ts';
import { folio_lock, folio_trylock, folio_unlock } from '../mm/folio_lock.ts';
import { folio_start_writeback, folio_test_writeback, folio_wait_writeback } from '../mm/folio_writeback.ts';
import { fput } from '../mm/fput.ts';
import { FILE_END } from '../mm/unmap_mapping.ts';
import { dirty_background } from '../mm/vm_sysctl.ts';
import { nrFileDirtyOnce } from '../mm/vmstat.ts';
import { MAPPING_CACHE } from '../slab/caches.ts';
import { cacheSlots } from '../slab/kmem_cache.ts';
import { count_vm_events, PGPGOUT } from '../trace/counters.ts';
import { submitRequestWait } from './block_device.ts';
import { type DeviceId, REQ_OP_WRITE, REQUEST_PAGES_MAX } from './device_record.ts';
import { END_IO_WRITE_FOLIOS } from './end_io.ts';

/** Wait for pages that are being written already and write them again, or pass them over. @kernel WB_SYNC_ALL, WB_SYNC_NONE */
export type WritebackMode = 'sync' | 'none';

/** Consecutive pages, marked as being written, that have not been submitted yet. Never kept over a sleep that another page's I/O could end. */
class Batch {
  readonly #cpu: Cpu;
  readonly #file: MappingId;
  readonly #pages: Pfn[] = [];
  #first = 0;

  constructor(cpu: Cpu, file: MappingId) {
    this.#cpu = cpu;
    this.#file = file;
  }

  add(pfn: Pfn, index: number): void {
    if (this.#pages.length === REQUEST_PAGES_MAX || index !== this.#first + this.#pages.length) this.submit();
    if (this.#pages.length === 0) this.#first = index;
    this.#pages.push(pfn);
  }

  submit(): void {
    if (this.#pages.length === 0) return;
    const device = fileDevice(this.#cpu.memory, this.#file) as DeviceId;
    const pages = this.#pages.splice(0);
    count_vm_events(this.#cpu, PGPGOUT, pages.length);
    const request = { op: REQ_OP_WRITE, extent: this.#file, first: this.#first, pages, endIo: END_IO_WRITE_FOLIOS, argument: 0 };
    submitRequestWait(this.#cpu, device, request);
  }
}

/**
 * Starts to write the dirty pages of [start, end), at most `most` of them.
 * @locks in: none that write-back needs: no folio lock, not i_mmap, no spinlock; the caller keeps the file. Takes folio locks; may sleep
 * @returns pages submitted. Errors come to light later, in wbErrWord() @kernel filemap_fdatawrite_range()
 */
export function filemap_fdatawrite_range(
  cpu: Cpu,
  file: MappingId,
  start: number,
  end: number,
  mode: WritebackMode,
  most: number = Number.POSITIVE_INFINITY,
): number {
  if (!mapping_can_writeback(cpu.memory, file)) return 0;
  const batch = new Batch(cpu, file);
  let written = 0;
  eachCachedFolio(cpu, file, start, end, (pfn, index) => {
    if (writeFolio(cpu, file, pfn, index, mode, batch)) written++;
    return written < most;
  });
  batch.submit();
  return written;
}

/** @locks in: a reference on the folio. out: the same. @returns whether it is in the batch now */
function writeFolio(cpu: Cpu, file: MappingId, pfn: Pfn, index: number, mode: WritebackMode, batch: Batch): boolean {
  // A page that a program has dirtied through an entry is dirty here, too: the fault said so before it made the entry writable.
  if (!folioTest(cpu, pfn, PG_dirty)) return false;
  if (!folio_trylock(cpu, pfn)) {
    batch.submit();
    folio_lock(cpu, pfn);
  }
  if (folio_test_writeback(cpu, pfn) && mode === 'sync') {
    batch.submit();
    folio_wait_writeback(cpu, pfn);
  }
  const writes = folioIsOf(cpu, pfn, file, index) && !folio_test_writeback(cpu, pfn) && folio_clear_dirty_for_io(cpu, pfn);
  if (writes) {
    folio_get(cpu, pfn); // For the I/O. Dropped by: endWriteFolios().
    folio_start_writeback(cpu, pfn);
    batch.add(pfn, index);
  }
  folio_unlock(cpu, pfn);
  return writes;
}

/** Waits until no page of [start, end) is being written. May sleep, uninterruptibly. @kernel __filemap_fdatawait_range() */
export function filemap_fdatawait_range(cpu: Cpu, file: MappingId, start: number, end: number): void {
  eachCachedFolio(cpu, file, start, end, (pfn) => {
    folio_wait_writeback(cpu, pfn);
    return true;
  });
}

/** This task opens the file: it will be told of errors from now on, and of those that nobody has been told. @kernel do_dentry_open(), file_sample_wb_err() */
export function sampleWritebackErrors(cpu: Cpu, file: MappingId): void {
  cpu.wbErrSeen[file] = errseq_sample(cpu, wbErrWord(cpu.memory, file));
}

/** The errno of write-back since this task was told the last, or 0. Who has not opened the file is told of any. @kernel file_check_and_advance_wb_err() */
export function takeWritebackError(cpu: Cpu, file: MappingId): number {
  const { errno, since } = errseq_check_and_advance(cpu, wbErrWord(cpu.memory, file), cpu.wbErrSeen[file] as number);
  cpu.wbErrSeen[file] = since;
  return errno;
}

/** Writes the dirty pages of [start, end) and waits for the device. @locks as filemap_fdatawrite_range(). May sleep. @returns 0 or an errno */
export function file_write_and_wait_range(cpu: Cpu, file: MappingId, start: number, end: number): number {
  filemap_fdatawrite_range(cpu, file, start, end, 'sync');
  filemap_fdatawait_range(cpu, file, start, end);
  return takeWritebackError(cpu, file);
}

/** Pages that write-back takes from one file before it turns to the next. */
const STEP_PAGES = 64;

/**
 * One round of background write-back: when more is dirty than the background limit allows, some pages of every file that has dirty ones. @locks none in, none out; may sleep. @returns pages submitted; 0: there is nothing to do for now @kernel wb_writeback()
 */
export function writebackStep(cpu: Cpu): number {
  const m = cpu.memory;
  if (nrFileDirtyOnce(cpu) <= dirty_background(m)) return 0;
  return eachDirtyFile(cpu, (file) => filemap_fdatawrite_range(cpu, file, 0, FILE_END, 'none', STEP_PAGES));
}

/** Visits every file, each kept by a reference. @locks none in, none out; may sleep. @returns the sum of what `visit` returned */
export function eachFile(cpu: Cpu, visit: (file: MappingId) => number): number {
  let sum = 0;
  for (let slot = 1; slot <= cacheSlots(cpu.memory, MAPPING_CACHE); slot++) {
    const file = slot as MappingId;
    if (!tryGetFile(cpu, file)) continue;
    sum += visit(file);
    fput(cpu, file);
  }
  return sum;
}

/** The same for the files that have dirty pages. */
export const eachDirtyFile = (cpu: Cpu, visit: (file: MappingId) => number): number =>
  // Alone: a hint; a page that is dirtied now is found the next time.
  eachFile(cpu, (file) => (atomic_read(cpu, nrdirtyWord(cpu.memory, file)) > 0 ? visit(file) : 0));

/**
 * Reading pages from swap and writing them there. A page whose contents are all zero is not written: its slot says so.
 *
 *   reclaim                                   device                        fault
 *   1 PG_writeback, unlocks, submits
 *                                                                           2 finds it in the swap cache, unlocked: maps it at once
 *                                             3 end_io: PG_writeback gone,
 *                                               wakes; on an error: dirty
 *
 * @kernel mm/page_io.c swap_read_folio(), swap_writeout(), end_swap_bio_write(), is_folio_zero_filled()
 * @fidelity reduced: one page a request; no swap files, so no plugging; no zswap
 * Next: reclaim/shrink_folio_list.ts writes, fault/swapin_readahead.ts reads
 */
import { assert, invariant } from '../base/assert.ts';
import type { Pfn, SwpEntry } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folioClear, folioSet, folioSwapEntry, folioTest, PG_dirty, PG_reclaim, PG_uptodate, readStamp, writeStamp } from '../mm/folio.ts';
import { folio_end_read, folio_unlock, folioLockOwner, folioLockToIo } from '../mm/folio_lock.ts';
import { folio_end_writeback, folio_start_writeback } from '../mm/folio_writeback.ts';
import { swp_offset } from '../mm/swap_entry.ts';
import { folio_free_swap } from '../mm/swap_state.ts';
import { SWP_SYNCHRONOUS_IO, setSwapZero, swapDevice, swapExtent, swapFlags, swapIsZero } from '../mm/swapfile.ts';
import { countThrashing, isThrashing } from '../mm/thrashing.ts';
import { count_vm_event, PSWPIN, PSWPOUT, SWPIN_ZERO, SWPOUT_ZERO } from '../trace/counters.ts';
import { TRACE_SWAP_OUT } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';
import { submitRequestWait, waitForRequest } from './block_device.ts';
import {
  type DeviceId,
  END_IO_NONE,
  type IoRequest,
  REQ_OP_READ,
  REQ_OP_WRITE,
  type RequestId,
  requestError,
  requestPage,
} from './device_record.ts';
import { END_IO_READ_FOLIOS, END_IO_SWAP_WRITE } from './end_io.ts';

const deviceOf = (cpu: Cpu, entry: SwpEntry): DeviceId => swapDevice(cpu.memory, entry) as DeviceId;
const isSynchronous = (cpu: Cpu, entry: SwpEntry): boolean => (swapFlags(cpu.memory, entry) & SWP_SYNCHRONOUS_IO) !== 0;
const requestFor = (entry: SwpEntry, pfn: Pfn, op: number, endIo: number): IoRequest => ({
  op,
  extent: swapExtent(entry),
  first: swp_offset(entry),
  pages: [pfn],
  endIo,
  argument: entry,
});

/**
 * Reads a folio from its slot. On return, or later when the device is asynchronous, it is unlocked and, unless the read failed, up to date.
 * @locks in: the folio's, which goes to the I/O. May sleep: for a request, and on a synchronous device for the read
 */
export function swap_read_folio(cpu: Cpu, pfn: Pfn): void {
  const entry = folioSwapEntry(cpu.memory, pfn);
  invariant(!folioTest(cpu, pfn, PG_uptodate), 'I19', 'swap_read_folio: the folio is up to date already');
  if (swapIsZero(cpu, entry)) {
    writeStamp(cpu, pfn, 0);
    count_vm_event(cpu, SWPIN_ZERO);
    folio_end_read(cpu, pfn, true);
    return;
  }
  count_vm_event(cpu, PSWPIN);
  if (isSynchronous(cpu, entry)) {
    const thrashes = isThrashing(cpu, pfn);
    const since = cpu.now();
    const error = submitAndWait(cpu, entry, requestFor(entry, pfn, REQ_OP_READ, END_IO_NONE));
    if (thrashes) countThrashing(cpu, since);
    folio_end_read(cpu, pfn, error === 0);
    return;
  }
  folioLockToIo(cpu, pfn);
  submitRequestWait(cpu, deviceOf(cpu, entry), requestFor(entry, pfn, REQ_OP_READ, END_IO_READ_FOLIOS));
}

function submitAndWait(cpu: Cpu, entry: SwpEntry, wanted: IoRequest): number {
  const device = deviceOf(cpu, entry);
  return waitForRequest(cpu, device, submitRequestWait(cpu, device, wanted));
}

/**
 * Writes a folio of the swap cache to its slot, unless nobody needs the slot any more or the page is all zero. The folio is clean: whoever dirties
 * it from now on makes the write useless, but not wrong. On return the folio is unlocked; PG_writeback says whether the write is under way.
 * @locks in: the folio's. out: not. May sleep: for a request, and on a synchronous device for the write
 */
export function swap_writeout(cpu: Cpu, pfn: Pfn): void {
  assert(folioLockOwner(cpu, pfn) === cpu.id + 1, 'swap_writeout: this CPU has not locked the folio');
  if (folio_free_swap(cpu, pfn)) {
    folio_unlock(cpu, pfn);
    return;
  }
  const entry = folioSwapEntry(cpu.memory, pfn);
  const zero = readStamp(cpu, pfn) === 0;
  setSwapZero(cpu, entry, zero);
  if (zero) {
    count_vm_event(cpu, SWPOUT_ZERO);
    folio_unlock(cpu, pfn);
    return;
  }
  count_vm_event(cpu, PSWPOUT);
  trace(cpu, TRACE_SWAP_OUT, entry, pfn);
  folio_start_writeback(cpu, pfn);
  folio_unlock(cpu, pfn);
  if (isSynchronous(cpu, entry)) finishSwapWrite(cpu, pfn, submitAndWait(cpu, entry, requestFor(entry, pfn, REQ_OP_WRITE, END_IO_NONE)));
  else submitRequestWait(cpu, deviceOf(cpu, entry), requestFor(entry, pfn, REQ_OP_WRITE, END_IO_SWAP_WRITE));
}

/** Behind END_IO_SWAP_WRITE. @kernel end_swap_bio_write() */
export function endSwapWrite(cpu: Cpu, device: DeviceId, request: RequestId): void {
  finishSwapWrite(cpu, requestPage(cpu.memory, device, request, 0), requestError(cpu.memory, device, request));
}

/** After a failed write the page is the only copy again: it stays dirty, and is no longer in a hurry to be freed. */
function finishSwapWrite(cpu: Cpu, pfn: Pfn, error: number): void {
  if (error !== 0) {
    folioSet(cpu, pfn, PG_dirty); // Before the end of writeback. Pairs with: the tests of reclaim after it.
    folioClear(cpu, pfn, PG_reclaim); // Alone: a hint.
  }
  folio_end_writeback(cpu, pfn);
}

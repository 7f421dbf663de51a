/**
 * A work that keeps several requests outstanding on device 0: it writes stamps of its own, reads them back, and compares. One CPU may let
 * the device fall silent in the middle.
 */
import type { Pfn } from '@faultlab/core/base/brand';
import { EIO } from '@faultlab/core/base/errno';
import { InvariantError } from '@faultlab/core/base/errors';
import { setDeviceSilent, submitRequest, submitRequestWait, waitForRequest } from '@faultlab/core/io/block_device';
import { type DeviceId, END_IO_NONE, type IoRequest, REQ_OP_READ, REQ_OP_WRITE, type RequestId } from '@faultlab/core/io/device_record';
import { readStamp, writeStamp } from '@faultlab/core/mm/folio';
import { alloc_page, folio_put } from '@faultlab/core/mm/page_alloc';
import type { WorkContext } from '@faultlab/workers/work';

export interface IoClientData {
  readonly rounds: number;
  /** Requests that this CPU keeps outstanding. */
  readonly window: number;
  /** After so many rounds this CPU lets the device fall silent; 0 for never. */
  readonly silenceAfter: number;
  /** Submit a request whose end_io function does not exist: the device finds the model broken. */
  readonly breakModel?: boolean;
}

export interface IoClientResult {
  readonly requests: number;
  readonly errors: number;
  /** Submissions that waited because the device was full. */
  readonly waited: number;
}

const DISK = 0 as DeviceId;

export default function ioClient(context: WorkContext, data: IoClientData): IoClientResult {
  const { cpu } = context;
  const pages = Array.from({ length: data.window }, () => alloc_page(cpu));
  context.arrive();
  const result = { requests: 0, errors: 0, waited: 0 };
  const wanted = (op: number, block: number, endIo: number): IoRequest => ({
    op,
    extent: cpu.id + 1,
    first: block,
    pages: [pages[block] as Pfn],
    endIo,
    argument: 0,
  });
  const everyPage = (op: number): number[] => {
    const errors: number[] = [];
    const sent: RequestId[] = [];
    const takeBack = (): void => {
      for (const request of sent.splice(0)) errors.push(waitForRequest(cpu, DISK, request));
    };
    for (let block = 0; block < pages.length; block++) {
      const request = submitRequest(cpu, DISK, wanted(op, block, END_IO_NONE));
      if (request >= 0) sent.push(request as RequestId);
      else {
        takeBack(); // Nobody waits for a free request while it keeps others.
        sent.push(submitRequestWait(cpu, DISK, wanted(op, block, END_IO_NONE)));
        result.waited++;
      }
    }
    takeBack();
    result.requests += errors.length;
    result.errors += errors.filter((error) => error === EIO).length;
    return errors;
  };
  for (let round = 1; round <= data.rounds && !context.stopRequested(); round++) {
    if (round === data.silenceAfter) {
      if (data.breakModel === true) submitRequest(cpu, DISK, wanted(REQ_OP_READ, 0, 99));
      else setDeviceSilent(cpu, DISK, true);
    }
    const stamp = (i: number): number => (cpu.id << 24) | (round << 8) | i;
    for (const [i, page] of pages.entries()) writeStamp(cpu, page, stamp(i));
    const written = everyPage(REQ_OP_WRITE);
    for (const page of pages) writeStamp(cpu, page, -1);
    const read = everyPage(REQ_OP_READ);
    pages.forEach((page, i) => {
      if (written[i] === 0 && read[i] === 0 && readStamp(cpu, page) !== stamp(i)) throw new InvariantError('data', 'a block lost a write');
    });
    context.progress();
  }
  for (const page of pages) folio_put(cpu, page);
  return result;
}

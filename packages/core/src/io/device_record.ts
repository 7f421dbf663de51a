/**
 * The words of a block device and of its requests: queue and counts of the device, then what each request wants and how it went.
 *
 *   FREE -> QUEUED (submitted) -> ACTIVE (claimed by the device) -> DONE -> FREE
 *
 * A block is addressed by a pair: an extent (the number of a file; 0 on a device without files) and a page in it. So files need no map
 * from their pages to the device, and 32 bits are enough for each half.
 * @kernel include/linux/blkdev.h (request_queue), include/linux/blk-mq.h (struct request)
 * @fidelity reduced: one queue per device; a request is one bio of consecutive pages; no merging, no priorities
 * Next: io/block_device.ts
 */
import { assert } from '../base/assert.ts';
import type { Brand, CpuId, Pfn, Word } from '../base/brand.ts';
import { COMPLETION_WORDS } from '../locking/completion.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';

/** Number of a block device, from 0. */
export type DeviceId = Brand<number, 'DeviceId'>;
/** Slot of a request in the table of its device, from 0. */
export type RequestId = Brand<number, 'RequestId'>;

/** No request: the queue is empty. */
export const NO_REQUEST: RequestId = -1 as RequestId;

export const REQ_OP_READ = 0;
export const REQ_OP_WRITE = 1;

export const REQUEST_FREE = 0;
export const REQUEST_QUEUED = 1;
export const REQUEST_ACTIVE = 2;
export const REQUEST_DONE = 3;

/** Position 0 of `Cpu.endIo`: no function; the submitter waits for the request and puts it back. */
export const END_IO_NONE = 0;

/** Position of `Cpu.blockContents`: what a device holds at first. A blank one holds 0 everywhere. */
export const CONTENTS_BLANK = 0;
/** Extent n is the file with the number n, and every page holds what the page cache expects of it. */
export const CONTENTS_FILES = 1;

const DEVICE_SHIFT = 6;
assert(1 << DEVICE_SHIFT === RECORD_WORDS.device, 'device_record: the device has another size in memory/layout.ts');
const REQUEST_SHIFT = 6;
assert(1 << REQUEST_SHIFT === RECORD_WORDS.request, 'device_record: the request has another size in memory/layout.ts');

// --- the device: lines 0 and 1 are guarded by D_LOCK -----------------------------------------------------------------------------
export const D_LOCK = 0;
/** Requests that nobody uses, linked by R_NEXT, as slot + 1. */
export const D_FREE = 1;
/** Queued requests, first come first served, as slot + 1. */
export const D_QUEUE_HEAD = 2;
export const D_QUEUE_TAIL = 3;
/** CPUs that wait for a free request: a wait list of two words. */
export const D_FULL_LIST = 4;
/** Number of the last request. */
export const D_NUMBER = 6;
/** Claimed and not completed. */
export const D_ACTIVE = 7;
/** Requests served at the same time. */
export const D_QUEUE_DEPTH = 8;
/** The CPU that serves the device, plus one; 0 when every submitter serves its own request at once; SERVED_WHEN_IDLE. */
export const D_SERVER = 9;
/** Requests stay queued until somebody calls serveQueued(): a CPU that would sleep otherwise, on a machine that is one thread. */
export const SERVED_WHEN_IDLE = -1;
/** Non-zero: the device neither claims nor completes anything any more. Atomic. */
export const D_SILENT = 10;
/** CONTENTS_*. */
export const D_CONTENTS = 11;
/** Injected errors: one in so many million requests, drawn from a seed; and a range of bad blocks (BAD_EXTENT is extent + 1, 0 for none). */
export const D_ERROR_PPM = 16;
export const D_ERROR_SEED = 17;
export const D_BAD_EXTENT = 18;
export const D_BAD_FIRST = 19;
export const D_BAD_COUNT = 20;
/** Injected slowness: one in so many million requests, for up to so many microseconds; drawn from D_ERROR_SEED. */
export const D_SLOW_PPM = 21;
export const D_SLOW_US = 22;
/** The device falls silent with the request of this number; 0 for never. Under D_LOCK. */
export const D_SILENT_AT = 23;
// --- line 2: statistics, under D_LOCK ----------------------------------------------------------------------------------------------
export const D_STAT = 32;
// --- line 3: written blocks, under D_BLOCKS_LOCK -----------------------------------------------------------------------------------
export const D_BLOCKS_LOCK = 48;
export const D_BLOCKS_LIVE = 49;

// --- a request --------------------------------------------------------------------------------------------------------------------
const R_STATE = 0;
export const R_NEXT = 1;
const R_NUMBER = 2;
const R_OP = 3;
const R_EXTENT = 4;
const R_FIRST = 5;
const R_COUNT = 6;
const R_END_IO = 7;
const R_ARGUMENT = 8;
const R_ERROR = 9;
const R_SUBMIT_US = 10;
const R_CPU = 11;
const R_COMPLETION = 12;
const R_PAGES = 32;
assert(R_COMPLETION + COMPLETION_WORDS <= R_PAGES, 'device_record: the completion does not fit the request');
/** Pages that one request can move. */
export const REQUEST_PAGES_MAX: number = RECORD_WORDS.request - R_PAGES;

export const deviceWord = (m: SharedMemory, device: DeviceId, field: number): Word =>
  (m.devicesAt + (device << DEVICE_SHIFT) + field) as Word;
export const deviceField = (m: SharedMemory, device: DeviceId, field: number): number => m.words[deviceWord(m, device, field)] as number;
export function setDeviceField(m: SharedMemory, device: DeviceId, field: number, value: number): void {
  m.words[deviceWord(m, device, field)] = value;
}

const word = (m: SharedMemory, device: DeviceId, request: RequestId, field: number): Word =>
  (m.requestsAt + ((device * m.size.deviceRequests + request) << REQUEST_SHIFT) + field) as Word;
const read = (m: SharedMemory, device: DeviceId, request: RequestId, field: number): number =>
  m.words[word(m, device, request, field)] as number;

/** First word of a request: what a wait for it is known by. */
export const requestWord = (m: SharedMemory, device: DeviceId, request: RequestId): Word => word(m, device, request, 0);
/** Done when the request is: only for requests without an end_io function. */
export const requestCompletion = (m: SharedMemory, device: DeviceId, request: RequestId): Word => word(m, device, request, R_COMPLETION);
/** REQUEST_*. Under the device's lock; a glance without it. */
export const requestState = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_STATE);
/** Running number on the device, from 1: the name of a request in reports. */
export const requestNumber = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_NUMBER);
/** REQ_OP_*. */
export const requestOp = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_OP);
export const requestExtent = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_EXTENT);
export const requestFirst = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_FIRST);
/** Number of pages. */
export const requestCount = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_COUNT);
export const requestEndIo = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_END_IO);
export const requestArgument = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_ARGUMENT);
/** 0 or an errno. Valid once the request is served. */
export const requestError = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_ERROR);
/** When it was submitted, in microseconds on the clock of the CPUs, 32 bits of them. */
export const requestSubmitUs = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_SUBMIT_US);
/** Who submitted it. */
export const requestCpu = (m: SharedMemory, device: DeviceId, request: RequestId): CpuId => read(m, device, request, R_CPU) as CpuId;
/** The folio of block `first + position`. */
export const requestPage = (m: SharedMemory, device: DeviceId, request: RequestId, position: number): Pfn =>
  read(m, device, request, R_PAGES + position) as Pfn;

export const requestNext = (m: SharedMemory, device: DeviceId, request: RequestId): number => read(m, device, request, R_NEXT);
export function setRequestNext(m: SharedMemory, device: DeviceId, request: RequestId, next: number): void {
  m.words[word(m, device, request, R_NEXT)] = next;
}
export function setRequestState(m: SharedMemory, device: DeviceId, request: RequestId, state: number): void {
  m.words[word(m, device, request, R_STATE)] = state;
}
export function setRequestError(m: SharedMemory, device: DeviceId, request: RequestId, error: number): void {
  m.words[word(m, device, request, R_ERROR)] = error;
}

/** What a submitter asks for. */
export interface IoRequest {
  /** REQ_OP_READ fills the pages from the device, REQ_OP_WRITE the device from the pages. */
  readonly op: number;
  readonly extent: number;
  /** First page in the extent; the others follow it. */
  readonly first: number;
  /** The folios, in the order of their blocks: 1 to REQUEST_PAGES_MAX. */
  readonly pages: readonly Pfn[];
  /** Position of a function in `Cpu.endIo`, or END_IO_NONE: then the submitter calls waitForRequest(). */
  readonly endIo: number;
  /** For the end_io function. */
  readonly argument: number;
}

/** Writes down what is wanted. The request belongs to the caller alone. */
export function fillRequest(m: SharedMemory, device: DeviceId, request: RequestId, wanted: IoRequest, cpu: CpuId, nowUs: number): void {
  const base = requestWord(m, device, request);
  m.words[base + R_OP] = wanted.op;
  m.words[base + R_EXTENT] = wanted.extent;
  m.words[base + R_FIRST] = wanted.first;
  m.words[base + R_COUNT] = wanted.pages.length;
  m.words[base + R_END_IO] = wanted.endIo;
  m.words[base + R_ARGUMENT] = wanted.argument;
  m.words[base + R_ERROR] = 0;
  m.words[base + R_SUBMIT_US] = nowUs;
  m.words[base + R_CPU] = cpu;
  m.words.fill(0, base + R_COMPLETION, base + R_COMPLETION + COMPLETION_WORDS);
  for (let i = 0; i < wanted.pages.length; i++) m.words[base + R_PAGES + i] = wanted.pages[i] as number;
}

export function setRequestNumber(m: SharedMemory, device: DeviceId, request: RequestId, number: number): void {
  m.words[word(m, device, request, R_NUMBER)] = number;
}

/**
 * What a device has done: requests, pages, errors, time. Under the device's lock; a glance without it.
 * @kernel block/genhd.c (/sys/block/.../stat)
 * @fidelity reduced: 32-bit words but for the total time; no merges
 * Next: io/block_device.ts
 */
import { assert } from '../base/assert.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { LINE_WORDS } from '../memory/shared_words.ts';
import { D_STAT, type DeviceId, deviceField, setDeviceField } from './device_record.ts';

const READS = D_STAT;
const WRITES = D_STAT + 1;
const PAGES_READ = D_STAT + 2;
const PAGES_WRITTEN = D_STAT + 3;
const ERRORS = D_STAT + 4;
/** Total time in service or queue: microseconds, in two words of 30 bits. */
const US_LOW = D_STAT + 5;
const US_HIGH = D_STAT + 6;
const US_MAX = D_STAT + 7;
/** Submitted and not served. */
const OUTSTANDING = D_STAT + 8;
const OUTSTANDING_MAX = D_STAT + 9;
const ACTIVE_MAX = D_STAT + 10;
const FULL = D_STAT + 11;
assert(FULL < D_STAT + LINE_WORDS, 'device_stats: the statistics do not fit their line');
const US_BITS = 30;
const PAGE_BYTES = 4096;

export interface DeviceStats {
  readonly reads: number;
  readonly writes: number;
  readonly pagesRead: number;
  readonly pagesWritten: number;
  readonly bytes: number;
  readonly errors: number;
  /** From submission to the end of service. */
  readonly latencyUsTotal: number;
  readonly latencyUsMax: number;
  /** Requests submitted and not served yet, now and at the most. */
  readonly outstanding: number;
  readonly outstandingMax: number;
  /** Requests that were in service at the same time, at the most. */
  readonly activeMax: number;
  /** Times a submitter found every request in use. */
  readonly full: number;
}

/** Exact when the device is idle. */
export function readDeviceStats(m: SharedMemory, device: DeviceId): DeviceStats {
  const read = (field: number): number => deviceField(m, device, field) >>> 0;
  const [pagesRead, pagesWritten] = [read(PAGES_READ), read(PAGES_WRITTEN)];
  return {
    reads: read(READS),
    writes: read(WRITES),
    pagesRead,
    pagesWritten,
    bytes: (pagesRead + pagesWritten) * PAGE_BYTES,
    errors: read(ERRORS),
    latencyUsTotal: read(US_HIGH) * 2 ** US_BITS + read(US_LOW),
    latencyUsMax: read(US_MAX),
    outstanding: read(OUTSTANDING),
    outstandingMax: read(OUTSTANDING_MAX),
    activeMax: read(ACTIVE_MAX),
    full: read(FULL),
  };
}

function add(m: SharedMemory, device: DeviceId, field: number, delta: number): number {
  const after = (deviceField(m, device, field) + delta) | 0;
  setDeviceField(m, device, field, after);
  return after;
}

function raise(m: SharedMemory, device: DeviceId, field: number, value: number): void {
  if (value > deviceField(m, device, field)) setDeviceField(m, device, field, value);
}

/** @locks in: the device's lock, as for all of these */
export function countSubmitted(m: SharedMemory, device: DeviceId): void {
  raise(m, device, OUTSTANDING_MAX, add(m, device, OUTSTANDING, 1));
}

export function countClaimed(m: SharedMemory, device: DeviceId, active: number): void {
  raise(m, device, ACTIVE_MAX, active);
}

export function countFull(m: SharedMemory, device: DeviceId): void {
  add(m, device, FULL, 1);
}

/** @param tookUs from submission to now */
export function countServed(m: SharedMemory, device: DeviceId, write: boolean, pages: number, error: number, tookUs: number): void {
  add(m, device, OUTSTANDING, -1);
  add(m, device, write ? WRITES : READS, 1);
  add(m, device, write ? PAGES_WRITTEN : PAGES_READ, pages);
  if (error !== 0) add(m, device, ERRORS, 1);
  raise(m, device, US_MAX, tookUs);
  const low = deviceField(m, device, US_LOW) + tookUs;
  setDeviceField(m, device, US_LOW, low % 2 ** US_BITS);
  if (low >= 2 ** US_BITS) add(m, device, US_HIGH, Math.floor(low / 2 ** US_BITS));
}

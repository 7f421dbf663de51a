/**
 * Devices that go wrong because somebody wants it: a share of the requests fails or takes long, drawn by the number of the request, so that
 * the same numbers fail in every run of a seed; a range of blocks is bad for ever; a device stops answering.
 * @kernel block/blk-core.c should_fail_bio(); drivers/block/null_blk (timeouts, bad blocks)
 * @fidelity reduced: a failed request moves no data at all
 * Next: io/block_device.ts
 */
import { EIO } from '../base/errno.ts';
import { UsageError } from '../base/errors.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import {
  D_BAD_COUNT,
  D_BAD_EXTENT,
  D_BAD_FIRST,
  D_ERROR_PPM,
  D_ERROR_SEED,
  D_NUMBER,
  D_SILENT_AT,
  D_SLOW_PPM,
  D_SLOW_US,
  type DeviceId,
  deviceField,
  type RequestId,
  requestCount,
  requestExtent,
  requestFirst,
  requestNumber,
  setDeviceField,
} from './device_record.ts';

const MILLION = 1_000_000;
const TWO_32 = 2 ** 32;
/** A slow request takes a tenth of a millisecond longer at least. */
const SLOW_US_LEAST = 100;
/** Keep the draws apart: which requests are slow, how slow, and which fail. */
const SLOW_HIT = 0x510;
const SLOW_TIME = 0x511;

/** Lets about `rate` of the requests fail with EIO. @throws UsageError unless the rate is between 0 and 1 */
export function setErrorRate(m: SharedMemory, device: DeviceId, rate: number, seed: number): void {
  if (!(rate >= 0 && rate <= 1))
    throw new UsageError(`The error rate of device ${device} is ${rate}, but it must be a number from 0 to 1.`);
  setDeviceField(m, device, D_ERROR_PPM, Math.round(rate * MILLION));
  setDeviceField(m, device, D_ERROR_SEED, seed | 0);
}

/** Lets about `rate` of the requests take longer, by up to `us` microseconds: mostly little, seldom that much. A `rate` of 0 takes that back. */
export function setSlowness(m: SharedMemory, device: DeviceId, rate: number, us: number): void {
  setDeviceField(m, device, D_SLOW_PPM, Math.round(rate * MILLION));
  setDeviceField(m, device, D_SLOW_US, Math.round(us));
}

/** Lets the device fall silent with the request that follows so many further ones; undefined: never. Nobody may submit meanwhile. */
export function setSilentAfter(m: SharedMemory, device: DeviceId, requests: number | undefined): void {
  setDeviceField(m, device, D_SILENT_AT, requests === undefined ? 0 : deviceField(m, device, D_NUMBER) + requests + 1);
}

/** Is the device to fall silent with this request? @locks in: the device's */
export const fallsSilent = (m: SharedMemory, device: DeviceId, number: number): boolean =>
  deviceField(m, device, D_SILENT_AT) === number && number !== 0;

/** By how many microseconds the request is to take longer than the device's usual time; mostly 0. */
export function injectedSlownessUs(m: SharedMemory, device: DeviceId, request: RequestId): number {
  const ppm = deviceField(m, device, D_SLOW_PPM);
  if (ppm === 0) return 0;
  const number = requestNumber(m, device, request);
  const seed = deviceField(m, device, D_ERROR_SEED);
  if (draw(seed ^ SLOW_HIT, number) % MILLION >= ppm) return 0;
  // Every doubling of the time is as likely as the next: the longest ones make a tail.
  const longest = Math.max(SLOW_US_LEAST, deviceField(m, device, D_SLOW_US));
  return SLOW_US_LEAST * (longest / SLOW_US_LEAST) ** (draw(seed ^ SLOW_TIME, number) / TWO_32);
}

/** Every request that touches one of these blocks fails with EIO; a count of 0 takes that back. */
export function setBadBlocks(m: SharedMemory, device: DeviceId, extent: number, first: number, count: number): void {
  setDeviceField(m, device, D_BAD_EXTENT, count > 0 ? extent + 1 : 0);
  setDeviceField(m, device, D_BAD_FIRST, first);
  setDeviceField(m, device, D_BAD_COUNT, count);
}

/** @returns 0, or the errno that the request is to fail with */
export function injectedError(m: SharedMemory, device: DeviceId, request: RequestId): number {
  if (deviceField(m, device, D_BAD_EXTENT) === requestExtent(m, device, request) + 1) {
    const badFirst = deviceField(m, device, D_BAD_FIRST);
    const first = requestFirst(m, device, request);
    const overlaps = first < badFirst + deviceField(m, device, D_BAD_COUNT) && badFirst < first + requestCount(m, device, request);
    if (overlaps) return EIO;
  }
  const ppm = deviceField(m, device, D_ERROR_PPM);
  if (ppm === 0) return 0;
  return draw(deviceField(m, device, D_ERROR_SEED), requestNumber(m, device, request)) % MILLION < ppm ? EIO : 0;
}

/** 32 random bits that depend on nothing but the two numbers. */
function draw(seed: number, number: number): number {
  let z = (seed ^ Math.imul(number, 0x9e3779b9)) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

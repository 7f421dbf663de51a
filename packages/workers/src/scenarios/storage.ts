/**
 * The devices and files that scenarios share: the same device in all of them, so that one machine serves them all.
 * Next: cold_readers.ts
 */
import { FILE_DISK, FILE_SHMEM, type FileSpec } from '@faultlab/core/mm/address_space';
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { DeviceOptions } from '../device/device_options.ts';
import { type Op, op } from '../program/op.ts';
import type { Region } from '../program/program.ts';
import type { SwapOptions } from '../swap_options.ts';

/** Short waits with a long tail: most faults wait a little, some of them for long enough that everybody else gets in between. */
export const DISK: DeviceOptions = { latency: 'lognormal:80us,sigma=0.6,tail=1%:2ms' };

/** Where pages are swapped out to: as slow as the disk; and a place in memory, which needs no time, as zram. */
export const SWAP_DISK: DeviceOptions = { latency: 'lognormal:80us,sigma=0.5,tail=1%:1ms', contents: 'blank' };
export const SWAP_MEMORY: DeviceOptions = { latency: 'zero', contents: 'blank' };
const SWAP_PAGES = 2048;
/** On the first device of the scenario. */
export const SWAP: SwapOptions = { pages: SWAP_PAGES, device: 0 };
export const SYNCHRONOUS_SWAP: SwapOptions = { ...SWAP, synchronous: true };

export const diskFile = (pages: number, device = 0): FileSpec => ({ pages, kind: FILE_DISK, device });
export const memoryFile = (pages: number): FileSpec => ({ pages, kind: FILE_SHMEM });

/** Makes the pages of a file cold: nobody maps them any more through this view, and what is clean leaves the page cache. */
export const makeCold = (view: Region): Op[] => [
  op('madvise', view.start, view.pages, MADV_DONTNEED),
  op('evict', view.backing?.file ?? 0),
];

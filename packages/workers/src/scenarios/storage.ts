/**
 * The devices and files that scenarios share: the same device in all of them, so that one machine serves them all.
 * Next: cold_readers.ts
 */
import { FILE_DISK, FILE_SHMEM, type FileSpec } from '@faultlab/core/mm/address_space';
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { DeviceOptions } from '../device/device_options.ts';
import { type Op, op } from '../program/op.ts';
import type { Region } from '../program/program.ts';

/** Short waits with a long tail: most faults wait a little, some of them for long enough that everybody else gets in between. */
export const DISK: DeviceOptions = { latency: 'lognormal:80us,sigma=0.6,tail=1%:2ms' };

export const diskFile = (pages: number, device = 0): FileSpec => ({ pages, kind: FILE_DISK, device });
export const memoryFile = (pages: number): FileSpec => ({ pages, kind: FILE_SHMEM });

/** Makes the pages of a file cold: nobody maps them any more through this view, and what is clean leaves the page cache. */
export const makeCold = (view: Region): Op[] => [
  op('madvise', view.start, view.pages, MADV_DONTNEED),
  op('evict', view.backing?.file ?? 0),
];

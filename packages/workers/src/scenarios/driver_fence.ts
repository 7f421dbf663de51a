/**
 * Programs use a buffer that a device works on. No CPU may look before the device is done, and the fault that waits for it drops the lock itself.
 *
 *   faulting CPU                              the device
 *                                             is given work: the fence is pending
 *   fault, under mmap_lock: fence pending
 *   keeps the file, drops mmap_lock, waits
 *                                             done: signals
 *   comes back: the area may be gone          <- decides: another one is mapped there, or SIGSEGV
 */
import { FILE_DRIVER } from '@faultlab/core/mm/address_space';
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapFlags, mapRegion, READ_ONLY, READ_WRITE, sharedView, stripedFile } from './layout.ts';

const PAGES = 32;
const buffer = (cpu: number, cpus: number): FileUse => stripedFile('buffer', PAGES, cpu, cpus);
const still = (cpu: number, cpus: number): Region => sharedView(buffer(cpu, cpus), 0, 0);
const moving = (cpu: number, cpus: number): Region => ({ ...sharedView(buffer(cpu, cpus), 0, 1), layout: 'shared' });

export const driverFence: Scenario = {
  name: 'driver_fence',
  story: 'faults on a buffer wait for the device that works on it, and drop the lock themselves',
  mustSee: ['driver_faults', 'driver_fence_waits', 'mmap_write_acquired'],
  cpusMin: 2,
  files: ({ cpus }) => [{ pages: buffer(0, cpus).pages, kind: FILE_DRIVER }],
  setup: ({ cpus }) => [mapRegion(still(0, cpus)), mapRegion(moving(0, cpus))],
  program: (cpu, { cpus }) => {
    const files = [buffer(cpu, cpus)];
    const regions = [still(cpu, cpus), moving(cpu, cpus)];
    if (cpu === cpus - 1) {
      const draw = [
        { op: 'fence_work', file: 0, weight: 1 },
        { op: 'madvise', region: 0, weight: 1, pages: [1, 16], choices: [MADV_DONTNEED] },
        { op: 'yield', weight: 1 },
      ] as const;
      return { files, regions, helper: true, body: { draw } };
    }
    return {
      files,
      regions,
      body: {
        draw: [
          { op: 'write', region: 0, weight: 10 },
          { op: 'read', region: 0, weight: 10 },
          { op: 'write', region: 1, weight: 5 },
          { op: 'read', region: 1, weight: 5 },
          { op: 'kernel_read', region: 0, weight: 2 },
          { op: 'remote_write', region: 0, weight: 2 },
          { op: 'madvise', region: 0, weight: 3, pages: [1, 16], choices: [MADV_DONTNEED] },
          { op: 'munmap', region: 1, weight: 1, pages: [1, 16] },
          { op: 'mmap', region: 1, weight: 2, pages: [1, PAGES], choices: [READ_WRITE, READ_ONLY], flags: mapFlags(moving(0, cpus)) },
        ],
      },
    };
  },
};

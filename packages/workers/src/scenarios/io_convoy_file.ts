/**
 * All CPUs want the same page of a file at the same moment, and again and again it is not there.
 *
 *   CPU 0            CPU 1            CPU 2            device
 *   reads page 3     finds it locked  finds it locked
 *   sleeps           sleeps           sleeps
 *                                                      data, up to date, unlock: all of them woken
 *   looks again      looks again      looks again      <- decides: one I/O served them all, nobody sleeps on
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, sharedView, stripedFile } from './layout.ts';
import { DISK, diskFile } from './storage.ts';

const PAGES = 4;
const file = (cpu: number, cpus: number): FileUse => ({ ...stripedFile('hot file', PAGES, cpu, cpus), writes: 'none' });
const view = (cpu: number, cpus: number): Region => sharedView(file(cpu, cpus), 0, 0);

export const ioConvoyFile: Scenario = {
  name: 'io_convoy_file',
  story: 'all CPUs wait for the same read of the same page of a file; all of them are woken and served',
  mustSee: ['pgmajfault', 'filemap_faults', 'pgpgin'],
  devices: [DISK],
  files: ({ cpus }) => [diskFile(file(0, cpus).pages)],
  setup: ({ cpus }) => [mapRegion(view(0, cpus))],
  program: (cpu, { cpus }) => ({
    files: [file(cpu, cpus)],
    regions: [view(cpu, cpus)],
    body: {
      draw: [
        { op: 'read', region: 0, weight: 10 },
        { op: 'remote_read', region: 0, weight: 2 },
        { op: 'madvise', region: 0, weight: 2, pages: 'whole', choices: [MADV_DONTNEED] },
        { op: 'evict', file: 0, weight: 3 },
      ],
    },
  }),
};

/**
 * Pages move to other frames, to the memory of a device and back, and lose their entries for NUMA hints and for devices, while they are used,
 * protected and forked.
 *
 *   using CPU                                 migrating CPU
 *                                             locks the page, puts migration entries in its place
 *   fault: a migration entry
 *   waits for the page's lock                 copies the page
 *                                             puts the new frame in, unlocks
 *   comes back: the new frame                 <- decides: what was written before the copy is there, once
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, READ_ONLY, READ_WRITE, sharedView, striped, stripedFile } from './layout.ts';
import { DISK, diskFile } from './storage.ts';

const PAGES = 32;
const memory = (cpu: number, cpus: number): Region => striped('memory', 0, PAGES, cpu, cpus);
const changing = (cpu: number, cpus: number): Region => ({
  ...striped('changing', 1, PAGES, cpu, cpus),
  layout: 'shared',
  discards: 'shared',
});
const file = (cpu: number, cpus: number): FileUse => stripedFile('moving file', PAGES, cpu, cpus);
const view = (cpu: number, cpus: number): Region => sharedView(file(cpu, cpus), 0, 2);

export const migrateRace: Scenario = {
  name: 'migrate_race',
  story: 'pages move between frames and to a device and back while they are written, protected and forked',
  mustSee: ['pgmigrate_success', 'device_private_faults', 'device_exclusive_faults', 'numa_hint_faults'],
  devices: [DISK],
  sysctl: { numaMisplaced: 1 },
  files: ({ cpus }) => [diskFile(file(0, cpus).pages)],
  setup: ({ cpus }) => [mapRegion(memory(0, cpus)), mapRegion(changing(0, cpus)), mapRegion(view(0, cpus))],
  program: (cpu, { cpus }) => ({
    files: [file(cpu, cpus)],
    regions: [memory(cpu, cpus), changing(cpu, cpus), view(cpu, cpus)],
    body: {
      draw: [
        { op: 'write', region: 0, weight: 20 },
        { op: 'read', region: 0, weight: 20 },
        { op: 'write', region: 1, weight: 8 },
        { op: 'read', region: 1, weight: 8 },
        { op: 'write', region: 2, weight: 8 },
        { op: 'read', region: 2, weight: 8 },
        { op: 'remote_write', region: 0, weight: 3 },
        { op: 'kernel_read', region: 0, weight: 3 },
        { op: 'move_pages', region: 0, weight: 4, pages: [1, 8] },
        { op: 'move_pages', region: 1, weight: 2, pages: [1, 8] },
        { op: 'move_pages', region: 2, weight: 2, pages: [1, 8] },
        { op: 'to_device', region: 0, weight: 2, pages: [1, 4] },
        { op: 'exclusive', region: 0, weight: 2, pages: [1, 4] },
        { op: 'exclusive', region: 1, weight: 1, pages: [1, 4] },
        { op: 'numa_hints', region: 0, weight: 2, pages: [1, 16] },
        { op: 'mprotect', region: 1, weight: 2, pages: [1, 16], choices: [READ_ONLY, READ_WRITE, READ_WRITE] },
        { op: 'madvise', region: 1, weight: 2, pages: [1, 16], choices: [MADV_DONTNEED] },
        { op: 'fork_check', region: 0, weight: 1, pages: [1, 16] },
        { op: 'fork_give', weight: 1 },
        { op: 'adopt', weight: 2 },
      ],
    },
  }),
};

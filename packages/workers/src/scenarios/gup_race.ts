/**
 * The kernel touches user memory, by itself and through page tables, while areas change.
 *
 *   read(2) into page 9: copy_to_user         a debugger: remote write to page 9
 *   faults in kernel mode, under mmap_lock    looks the page up, faults it in, retries
 *                     mprotect, munmap, mmap by the others
 */
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, PRIVATE_FIXED, READ_ONLY, READ_WRITE, striped } from './layout.ts';

const PAGES = 128;
const moving = (cpu: number, cpus: number): Region => ({ ...striped('moving', 0, PAGES, cpu, cpus), layout: 'shared', discards: 'shared' });
const still = (cpu: number, cpus: number): Region => striped('still', 1, PAGES, cpu, cpus);

export const gupRace: Scenario = {
  name: 'gup_race',
  story: 'the kernel and a debugger touch user memory while its areas change',
  mustSee: ['faults_kernel', 'faults_gup', 'mmap_write_acquired'],
  setup: ({ cpus }) => [mapRegion(moving(0, cpus)), mapRegion(still(0, cpus))],
  program: (cpu, { cpus }) => ({
    regions: [moving(cpu, cpus), still(cpu, cpus)],
    body: {
      draw: [
        { op: 'kernel_read', region: 0, weight: 10 },
        { op: 'kernel_write', region: 0, weight: 10 },
        { op: 'remote_read', region: 0, weight: 10 },
        { op: 'remote_write', region: 0, weight: 10 },
        { op: 'write', region: 0, weight: 5 },
        { op: 'kernel_write', region: 1, weight: 5 },
        { op: 'remote_write', region: 1, weight: 5 },
        { op: 'read', region: 1, weight: 10 },
        { op: 'mprotect', region: 0, weight: 2, pages: [1, 32], choices: [READ_ONLY, READ_WRITE, READ_WRITE] },
        { op: 'munmap', region: 0, weight: 1, pages: [1, 32] },
        { op: 'mmap', region: 0, weight: 3, pages: [1, 48], choices: [READ_WRITE], flags: PRIVATE_FIXED },
        { op: 'fork_check', region: 1, weight: 1, pages: 'whole' },
      ],
    },
  }),
};

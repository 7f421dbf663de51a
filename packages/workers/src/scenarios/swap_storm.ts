/**
 * Anonymous pages go to swap and come back while they are written, forked, discarded and moved: once on a device that takes its time, once on one
 * in memory, where the fault reads the page itself.
 *
 *   faulting CPU                              other CPUs
 *   fault: page 7 is swap entry 40
 *   starts the read, drops its lock, sleeps
 *                                             fault on page 7, too: the same read, or the same claim
 *                                             MADV_DONTNEED: entry 40 is free
 *                                             another page goes to entry 40
 *   woken: page 7 is no entry 40 any more     <- decides: looks at the entry again, not at the page that it read (R09)
 */
import { MADV_COLD, MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT, MADV_WILLNEED, MREMAP_FIXED, MREMAP_MAYMOVE } from '@faultlab/core/mm/mman';
import type { CounterName } from '@faultlab/core/trace/counters';
import type { DeviceOptions } from '../device/device_options.ts';
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import type { SwapOptions } from '../swap_options.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, READ_ONLY, READ_WRITE, striped } from './layout.ts';
import { SWAP, SWAP_DISK, SWAP_MEMORY, SYNCHRONOUS_SWAP } from './storage.ts';

const PAGES = 64;
const OWN = 32;
const kept = (cpu: number, cpus: number): Region => striped('kept', 0, PAGES, cpu, cpus);
const thrown = (cpu: number, cpus: number): Region => ({ ...striped('thrown away', 1, PAGES, cpu, cpus), discards: 'shared' });
const own = (cpu: number): Region => ownRange('own', 2, OWN, cpu, READ_WRITE);
const OUT = [MADV_PAGEOUT, MADV_PAGEOUT, MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED];

function storm(name: string, where: string, device: DeviceOptions, swap: SwapOptions, mustSee: readonly CounterName[]): Scenario {
  return {
    name,
    story: `anonymous pages go to swap ${where} and come back while they are written, forked, discarded and moved`,
    mustSee: ['pswpout', 'pswpin', ...mustSee],
    devices: [device],
    swaps: [swap],
    setup: ({ cpus }) => [kept(0, cpus), thrown(0, cpus), ...everyCpu(cpus).map(own)].map((region) => mapRegion(region)),
    program: (cpu, { cpus }) => ({
      regions: [kept(cpu, cpus), thrown(cpu, cpus), own(cpu)],
      body: {
        draw: [
          { op: 'write', region: 0, weight: 16 },
          { op: 'read', region: 0, weight: 20 },
          { op: 'write', region: 1, weight: 10 },
          { op: 'read', region: 1, weight: 10 },
          { op: 'kernel_read', region: 0, weight: 3 },
          { op: 'remote_read', region: 0, weight: 3 },
          { op: 'remote_write', region: 1, weight: 3 },
          { op: 'madvise', region: 0, weight: 6, pages: [1, 24], choices: OUT },
          { op: 'madvise', region: 1, weight: 6, pages: [1, 24], choices: [...OUT, MADV_DONTNEED, MADV_FREE] },
          { op: 'write', region: 2, weight: 8 },
          { op: 'read', region: 2, weight: 8 },
          { op: 'madvise', region: 2, weight: 4, pages: [1, 16], choices: [MADV_PAGEOUT, MADV_PAGEOUT, MADV_FREE, MADV_DONTNEED] },
          { op: 'mprotect', region: 2, weight: 2, pages: [1, 16], choices: [READ_ONLY, READ_WRITE, READ_WRITE] },
          { op: 'munmap', region: 2, weight: 1, pages: [1, 8] },
          { op: 'mmap', region: 2, weight: 2, pages: [1, 16], choices: [READ_WRITE], flags: PRIVATE_FIXED },
          { op: 'mremap', region: 2, weight: 1, pages: [1, 8], flags: MREMAP_MAYMOVE | MREMAP_FIXED },
          { op: 'fork_check', region: 0, weight: 1, pages: [1, 32] },
          { op: 'fork_give', weight: 1 },
          { op: 'adopt', weight: 2 },
        ],
      },
    }),
  };
}

export const swapStorm: Scenario = storm('swap_storm', 'on a device that takes its time', SWAP_DISK, SWAP, ['lock_dropped_for_io']);
export const swapStormSync: Scenario = storm('swap_storm_sync', 'in memory', SWAP_MEMORY, SYNCHRONOUS_SWAP, ['swapin_sync']);

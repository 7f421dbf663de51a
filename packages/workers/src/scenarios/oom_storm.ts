/**
 * Processes want more memory than there is, in a memory cgroup or in the whole machine. The largest one is killed, again and again, and all others go on;
 * what is at home in the address space that all share is never lost.
 *
 *   CPU 0                        CPU 1                        reaper
 *   process A: page after page   process B: page after page
 *   no page: reclaim, nothing
 *   kills B, the larger one
 *   tries again                  in a fault: leaves it, and   takes B's pages, whatever CPU 1 waits for
 *                                ends B, begins as C
 */
import type { CounterName } from '@faultlab/core/trace/counters';
import type { DrawRule, Region } from '../program/program.ts';
import type { Scenario, ScenarioNeeds } from '../scenario.ts';
import { mapRegion, striped } from './layout.ts';
import { SWAP, SWAP_DISK } from './storage.ts';

const PAGES = 24;
/** Pages for each CPU. */
const ROOM = 48;
/** So few that all of it is full at times. */
const SWAP_PAGES = 128;
const common = (cpu: number, cpus: number): Region => striped('common', 0, PAGES, cpu, cpus);

/** @param most pages that a process may want, for each CPU */
function storm(name: string, where: string, most: number, needs: ScenarioNeeds, mustSee: readonly CounterName[]): Scenario {
  const rules: readonly DrawRule[] = [
    { op: 'memory_hog', weight: 6, pages: [most >>> 3, most] },
    { op: 'process_tree', weight: 3, pages: [4, most >>> 3], choices: [1, 2, 3] },
    { op: 'process_round', weight: 2, pages: [1, 16] },
    { op: 'visit', weight: 6 },
    { op: 'fork_check', region: 0, weight: 1, pages: [1, PAGES] },
    { op: 'fork_give', weight: 1 },
    { op: 'adopt', weight: 2 },
    { op: 'write', region: 0, weight: 12 },
    { op: 'read', region: 0, weight: 12 },
    { op: 'kernel_read', region: 0, weight: 3 },
    { op: 'remote_read', region: 0, weight: 3 },
  ];
  return {
    name,
    story: `processes want more memory than ${where} has; the largest is killed and reaped, and the others go on`,
    mustSee: ['oom_kill', 'oom_reaped', 'oom_reaped_pages', ...mustSee],
    background: ['oom_reaper'],
    ...needs,
    setup: ({ cpus }) => [mapRegion(common(0, cpus))],
    program: (cpu, { cpus }) => ({ regions: [common(cpu, cpus)], oomKills: true, body: { draw: rules } }),
  };
}

export const oomStorm: Scenario = storm(
  'oom_storm',
  'their memory cgroup',
  ROOM * 2,
  { sysctl: ({ cpus }) => ({ lru: 1, oomKiller: 1, memoryMax: cpus * ROOM }) },
  [],
);

export const oomStormSwap: Scenario = storm(
  'oom_storm_swap',
  'their memory cgroup and swap',
  ROOM * 4,
  {
    devices: [SWAP_DISK],
    swaps: [{ ...SWAP, pages: SWAP_PAGES }],
    sysctl: ({ cpus }) => ({ lru: 1, oomKiller: 1, memoryMax: cpus * ROOM }),
  },
  ['pswpout'],
);

export const oomStormGlobal: Scenario = storm(
  'oom_storm_global',
  'the machine',
  ROOM * 4,
  { sysctl: ({ cpus, frames }) => ({ lru: 1, oomKiller: 1, ...reserve(Math.max(0, frames - cpus * ROOM * 2)) }) },
  ['allocstall'],
);

/** So many frames are not for tasks, as if the machine were smaller. */
const reserve = (frames: number): { watermarkMin: number; watermarkLow: number; watermarkHigh: number } => ({
  watermarkMin: frames,
  watermarkLow: frames,
  watermarkHigh: frames,
});

/**
 * Fatal signals arrive in the middle of faults and calls; a task that is told to die leaves every wait it may leave, and breaks nothing.
 *
 *   CPU 0: mprotect, waits for mmap_lock      CPU 1: SIGKILL to CPU 0
 *   leaves the queue with EINTR  <- and whoever waited behind it moves up
 */
import { SIGKILL, SIGUSR1 } from '@faultlab/core/sched/task';
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, READ_ONLY, READ_WRITE, striped } from './layout.ts';

const PAGES = 128;
const OWN = 64;
const shared = (cpu: number, cpus: number): Region => ({ ...striped('shared', 0, PAGES, cpu, cpus), layout: 'shared', discards: 'shared' });
const own = (cpu: number): Region => ownRange('own', 1, OWN, cpu, READ_WRITE);

export const killStorm: Scenario = {
  name: 'kill_storm',
  story: 'fatal signals arrive in the middle of faults and calls, and break nothing',
  mustSee: ['pgfault', 'mmap_write_acquired'],
  setup: ({ cpus }) => [mapRegion(shared(0, cpus)), ...everyCpu(cpus).map((cpu) => mapRegion(own(cpu)))],
  program: (cpu, { cpus }) => ({
    regions: [shared(cpu, cpus), own(cpu)],
    signals: true,
    body: {
      draw: [
        { op: 'write', region: 0, weight: 20 },
        { op: 'read', region: 0, weight: 15 },
        { op: 'mprotect', region: 0, weight: 4, pages: [1, 64], choices: [READ_ONLY, READ_WRITE, READ_WRITE] },
        { op: 'munmap', region: 0, weight: 1, pages: [1, 32] },
        { op: 'mmap', region: 0, weight: 3, pages: [1, 48], choices: [READ_WRITE], flags: PRIVATE_FIXED },
        { op: 'write', region: 1, weight: 10 },
        { op: 'read', region: 1, weight: 10 },
        { op: 'mmap', region: 1, weight: 2, pages: [1, 32], choices: [READ_WRITE], flags: PRIVATE_FIXED },
        { op: 'signal', weight: 6, choices: [SIGKILL, SIGKILL, SIGUSR1] },
      ],
    },
  }),
};

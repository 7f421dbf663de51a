/** C7: who waits when a lock is held over a slow I/O and somebody forks. */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { op } from '../program/op.ts';
import type { Program } from '../program/program.ts';
import { mapRegion, ownRange, READ_WRITE } from '../scenarios/layout.ts';
import { atLeast, atMost, type Claim, judgeAll, median, said } from './claim.ts';
import type { ClaimRuns } from './claim_runs.ts';
import { coldFile, coldFileUse, coldView, mapCold, pause, readAll } from './layout.ts';
import { allTimed, FAULT_PATHS, firstTimed } from './per_cpu_times.ts';
import { HOLD, MAINLINE, RETRY_VMA } from './variants.ts';

const IO_MS = 50;
const PAGES = 16;
const SECONDS = 1.5;
const OTHERS = 0.5;

/** Before the file in the address space, so that fork has locked it when it gets to the file. */
const anon = ownRange('memory', 0, 8, 0, READ_WRITE);
const view = coldView(1, PAGES);
const own = ownRange('own', 2, 4, 0, 'unmapped');

const READER: Program = { regions: [view], files: [coldFileUse(PAGES)], body: { list: readAll(view) } };
const FORKER: Program = { regions: [], body: { list: allTimed([op('fork_give', 1), ...pause(5)]) } };
const IDLE: Program = { regions: [], body: { list: pause(1) } };
const FAULTER: Program = {
  regions: [anon],
  body: { list: firstTimed([op('write', anon.start), op('madvise', anon.start, anon.pages, MADV_DONTNEED)]) },
};
const UNMAPPER: Program = { regions: [own], body: { list: allTimed([mapRegion(own, READ_WRITE), op('munmap', own.start, own.pages)]) } };

interface Stalls {
  readonly fork: number;
  readonly forkMax: number;
  readonly faultMax: number;
  readonly munmapMax: number;
}

async function stalls(runs: ClaimRuns, policy: FaultPolicy, forks: boolean): Promise<Stalls> {
  const programs = [READER, forks ? FORKER : IDLE, FAULTER, UNMAPPER];
  const { times } = await runs.run({
    policy,
    cpus: programs.length,
    machine: { devices: [{ latency: `fixed:${IO_MS}ms` }] },
    files: [coldFile(PAGES)],
    sysctl: { faultAroundPages: 1 },
    setup: [mapRegion(anon), ...mapCold(view)],
    program: (cpu) => programs[cpu] as Program,
    seconds: SECONDS,
  });
  const [, forker, faulter, unmapper] = times;
  const fork = forker?.('fork');
  return {
    fork: fork?.p50 ?? 0,
    forkMax: fork?.max ?? 0,
    faultMax: faulter?.(...FAULT_PATHS).max ?? 0,
    munmapMax: unmapper?.('mmap', 'munmap').max ?? 0,
  };
}

const VARIANTS: readonly (readonly [FaultPolicy, boolean])[] = [
  [HOLD, true],
  [HOLD, false],
  [MAINLINE, true],
  [RETRY_VMA, true],
];

type Key =
  | 'forkHold'
  | 'forkHoldMax'
  | 'forkMainline'
  | 'forkRetryVma'
  | 'faultHold'
  | 'faultMainline'
  | 'munmapHold'
  | 'munmapHoldAlone'
  | 'munmapMainline';

export const C7: Claim<Key> = {
  id: 'C7',
  title: 'Holding the VMA lock over I/O stalls fork, and through it everybody else',
  claim:
    'In a build that holds the VMA lock over I/O, munmap is rarely blocked, but vma_start_write in fork often is, for as long as the I/O of one area takes (traces of 440 and 515 ms); meanwhile mmap_lock is held for writing.',
  source: 'Barry Song and Nanzhe Zhao, 17 May 2026',
  setup: `CPU 0 reads pages of a file, each from a device that takes ${IO_MS} ms; CPU 1 forks every few milliseconds; CPU 2 faults on anonymous memory; CPU 3 maps and unmaps a range that nobody else uses. Under hold with and without CPU 1, linux-6.18 and retry-vma, in turn, ${SECONDS} s each.`,
  expected: `Half of the forks take 0.2 times the I/O or longer under hold (open from 0.1), and at most 0.1 of it under linux-6.18 and retry-vma (open to 0.2). Under hold with forks the longest fault of CPU 2 and the longest call of CPU 3 take half of the I/O or more (open from 0.3); without forks the longest call of CPU 3 takes 0.3 of it at most (open to 0.5).`,
  cannotTell: 'How often real applications fork while one of their threads waits for a page.',
  decidedBy: 'time',
  figures: {
    forkHold: { name: 'fork, median, hold', unit: 'ms' },
    forkHoldMax: { name: 'fork, longest, hold', unit: 'ms' },
    forkMainline: { name: 'fork, median, linux-6.18', unit: 'ms' },
    forkRetryVma: { name: 'fork, median, retry-vma', unit: 'ms' },
    faultHold: { name: 'fault on other memory, longest, hold with forks', unit: 'ms' },
    faultMainline: { name: 'fault on other memory, longest, linux-6.18 with forks', unit: 'ms' },
    munmapHold: { name: 'mmap and munmap, longest, hold with forks', unit: 'ms' },
    munmapHoldAlone: { name: 'mmap and munmap, longest, hold without forks', unit: 'ms' },
    munmapMainline: { name: 'mmap and munmap, longest, linux-6.18 with forks', unit: 'ms' },
  },
  async measure(runs) {
    const samples = await runs.interleaved(VARIANTS, OTHERS, ([policy, forks]) => stalls(runs, policy, forks));
    const of = (variant: number, key: keyof Stalls): number => median((samples[variant] ?? []).map((sample) => sample[key]));
    return {
      forkHold: of(0, 'fork'),
      forkHoldMax: of(0, 'forkMax'),
      forkMainline: of(2, 'fork'),
      forkRetryVma: of(3, 'fork'),
      faultHold: of(0, 'faultMax'),
      faultMainline: of(2, 'faultMax'),
      munmapHold: of(0, 'munmapMax'),
      munmapHoldAlone: of(1, 'munmapMax'),
      munmapMainline: of(2, 'munmapMax'),
    };
  },
  judge({ forkHold, forkMainline, forkRetryVma, faultHold, faultMainline, munmapHold, munmapHoldAlone }) {
    const others = Math.max(forkMainline, forkRetryVma);
    return judgeAll(
      [
        {
          what: `half of the forks take ${said(forkHold)} ms under hold, with an I/O of ${IO_MS} ms`,
          met: atLeast(forkHold / IO_MS, 0.2, 0.1),
        },
        {
          what: `${said(forkMainline)} ms under linux-6.18 and ${said(forkRetryVma)} ms under retry-vma`,
          met: atMost(others / IO_MS, 0.1, 0.2),
        },
        { what: `under hold with forks other faults wait up to ${said(faultHold)} ms`, met: atLeast(faultHold / IO_MS, 0.5, 0.3) },
        { what: `calls on another range up to ${said(munmapHold)} ms`, met: atLeast(munmapHold / IO_MS, 0.5, 0.3) },
        { what: `without forks these up to ${said(munmapHoldAlone)} ms`, met: atMost(munmapHoldAlone / IO_MS, 0.3, 0.5) },
      ],
      `Under linux-6.18 with forks other faults wait up to ${said(faultMainline)} ms.`,
    );
  },
};

/** C10: the first write of an area under the VMA lock. */
import { availableParallelism } from 'node:os';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { op } from '../program/op.ts';
import type { Program } from '../program/program.ts';
import { mapRegion, ownRange, READ_WRITE } from '../scenarios/layout.ts';
import { atLeast, atMost, type Claim, judgeAll, median, said } from './claim.ts';
import type { ClaimRuns } from './claim_runs.ts';
import { changed, MAINLINE } from './variants.ts';

const CPUS = Math.max(2, availableParallelism());
const SECONDS = 1.2;
const OTHERS = 0.35;
/** With fewer cores nobody is in anybody's way often enough. */
const MANY = 8;

const REJECT: FaultPolicy = changed('linux-6.18', { name: 'linux-6.18 that rejects areas without anon_vma', anonVmaUnderVmaLock: false });

const area = (cpu: number) => ownRange('new area', 0, 1, cpu, 'unmapped');
/** A new area each time, written once. */
const toucher = (cpu: number): Program => ({
  regions: [area(cpu)],
  body: { list: [mapRegion(area(cpu), READ_WRITE), op('write', area(cpu).start), op('munmap', area(cpu).start, 1)] },
});

interface Touches {
  readonly perSecond: number;
  /** Attempts under mmap_lock for each touch. */
  readonly attempts: number;
}

async function touches(runs: ClaimRuns, policy: FaultPolicy): Promise<Touches> {
  const { result, seconds } = await runs.run({ policy, cpus: CPUS, setup: [], program: toucher, seconds: SECONDS });
  const count = result.ops / 3;
  return { perSecond: count / seconds, attempts: result.counters.mmap_attempts / count };
}

type Key = 'cores' | 'rejectRate' | 'trylockRate' | 'gain' | 'rejectAttempts' | 'trylockAttempts';

export const C10: Claim<Key> = {
  id: 'C10',
  title: 'To prepare the anon_vma under a trylock instead of rejecting the area gives three times the throughput',
  claim:
    'Until 6.9 a fault on an area without anon_vma was not tried under the VMA lock at all; since 6.10 the fault prepares it under a trylock of mmap_lock, and one test of the kernel test robot got about three times as fast.',
  source: 'cover letter of the series for 6.10, with the report of the kernel test robot of 26 April 2024',
  setup: `As many CPUs as the host has cores, but at least two, map an area of one page, write it and unmap it, again and again, in one address space, under linux-6.18 and under the same policy with areas without anon_vma rejected, in turn, ${SECONDS} s each.`,
  expected: `Attempts under mmap_lock go from 1 for each area to 0.5 or fewer (open to 0.8); areas a second grow 2 times or more (open from 1.3), which is decided only where there are ${MANY} cores or more.`,
  cannotTell: 'What many cores on one lock word cost.',
  decidedBy: 'time',
  figures: {
    cores: { name: 'cores of the host', unit: 'cores' },
    rejectRate: { name: 'areas, rejected', unit: '1/s' },
    trylockRate: { name: 'areas, trylock', unit: '1/s' },
    gain: { name: 'trylock against rejected', unit: 'times' },
    rejectAttempts: { name: 'attempts under mmap_lock for each area, rejected', unit: 'attempts' },
    trylockAttempts: { name: 'attempts under mmap_lock for each area, trylock', unit: 'attempts' },
  },
  async measure(runs) {
    const [reject = [], trylock = []] = await runs.interleaved([REJECT, MAINLINE], OTHERS, (policy) => touches(runs, policy));
    const of = (samples: readonly Touches[], key: keyof Touches): number => median(samples.map((sample) => sample[key]));
    const [rejectRate, trylockRate] = [of(reject, 'perSecond'), of(trylock, 'perSecond')];
    return {
      cores: availableParallelism(),
      rejectRate,
      trylockRate,
      gain: trylockRate / rejectRate,
      rejectAttempts: of(reject, 'attempts'),
      trylockAttempts: of(trylock, 'attempts'),
    };
  },
  judge: ({ cores, gain, rejectAttempts, trylockAttempts }) =>
    judgeAll([
      {
        what: `attempts under mmap_lock for each area go from ${said(rejectAttempts)} to ${said(trylockAttempts)}`,
        met: rejectAttempts < 0.95 ? false : atMost(trylockAttempts, 0.5, 0.8),
      },
      {
        what: `${said(gain)} times as many areas${cores < MANY ? `, with ${said(cores)} cores` : ''}`,
        met: gain >= 2 ? true : cores < MANY ? undefined : atLeast(gain, 2, 1.3),
      },
    ]),
};

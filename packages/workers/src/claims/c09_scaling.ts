/** C9: what per-VMA locks are for. */
import { availableParallelism } from 'node:os';
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { op } from '../program/op.ts';
import type { Program } from '../program/program.ts';
import { mapRegion, ownRange, READ_WRITE } from '../scenarios/layout.ts';
import { atLeast, type Claim, judgeAll, median, ofRounds, roundsWith, said } from './claim.ts';
import type { ClaimRuns } from './claim_runs.ts';
import { pause } from './layout.ts';
import { believed, faultInLockPairs, pin } from './lock_pairs.ts';
import { oddList } from './per_cpu_times.ts';
import { MAINLINE, MMAP_DROP } from './variants.ts';

const PAGES = 128;
const SECONDS = 1.2;
const OTHERS = 0.35;
/** The first row of the published table in which per-VMA locks win. */
const MANY = 12;
/** Percent that rates of one thread differ: as claimed up to here, and not as claimed above OTHER. */
const SAME = 5;
const OTHER = 10;

const memory = (cpu: number) => ownRange('memory', 0, PAGES, cpu, READ_WRITE);
const faulter = (cpu: number): Program => {
  const { start } = memory(cpu);
  return {
    regions: [memory(cpu)],
    body: { list: [op('madvise', start, PAGES, MADV_DONTNEED), ...Array.from({ length: PAGES }, (_, page) => op('write', start + page))] },
  };
};

interface Variant {
  readonly policy: FaultPolicy;
  readonly threads: number;
  readonly writer: boolean;
}

/** Faults in a second, of all threads together. */
async function faults(runs: ClaimRuns, { policy, threads, writer }: Variant): Promise<number> {
  const own = ownRange('memory of the writer', threads, 4, 0, 'unmapped');
  const mapper: Program = {
    regions: [own],
    body: { list: oddList([mapRegion(own, READ_WRITE), op('munmap', own.start, own.pages), ...pause(4)]) },
  };
  const { result, seconds } = await runs.run({
    policy,
    cpus: writer ? threads + 1 : threads,
    setup: Array.from({ length: threads }, (_, cpu) => mapRegion(memory(cpu))),
    program: (cpu) => (cpu < threads ? faulter(cpu) : mapper),
    seconds: SECONDS,
  });
  const ops = result.opsByCpu.slice(0, threads).reduce((sum, count) => sum + count, 0);
  return (ops * PAGES) / (PAGES + 1) / seconds;
}

type Key = 'cores' | 'faultPerPair' | 'oneMmap' | 'oneVma' | 'oneGain' | 'oneSame' | 'oneOther' | 'allMmap' | 'allVma' | 'allGain';

export const C9: Claim<Key> = {
  id: 'C9',
  title: 'Per-VMA locks scale',
  claim:
    'Faults on anonymous memory by many threads: with per-VMA locks -0.5 % at 1 thread, -8 % at 4, +6 % at 12, +20 % at 48, +27 % at 110.',
  source: 'Punit Agrawal on the per-VMA lock series; figures of the same shape with PVL-v10 and by Shivank Garg, 14 February 2025',
  setup: `Threads fault on areas of their own in one address space, under linux-6.0 (mmap_lock) and linux-6.18, in turn, ${SECONDS} s each: one thread alone; and as many as the host has cores, with one more CPU that maps and unmaps now and then.`,
  expected: `With 1 thread the rates differ by ${SAME} % at most, in every round (not as expected when it is more than ${OTHER} % in every round, else open); with as many threads as there are cores the rate grows by 5 % or more (open from 0), which is decided only where there are ${MANY} cores or more.`,
  cannotTell: 'What a cache line costs that many cores write: that is what the claim is about, and a host with few cores does not have it.',
  decidedBy: 'time',
  figures: {
    cores: { name: 'cores of the host', unit: 'cores' },
    faultPerPair: { name: 'fault, in lock pairs', unit: 'times' },
    oneMmap: { name: '1 thread, linux-6.0', unit: 'faults/s' },
    oneVma: { name: '1 thread, linux-6.18', unit: 'faults/s' },
    oneGain: { name: '1 thread, more faults', unit: '%' },
    oneSame: { name: `rounds in which they differ by ${SAME} % at most`, unit: '%' },
    oneOther: { name: `rounds in which they differ by more than ${OTHER} %`, unit: '%' },
    allMmap: { name: 'a thread a core and a writer, linux-6.0', unit: 'faults/s' },
    allVma: { name: 'a thread a core and a writer, linux-6.18', unit: 'faults/s' },
    allGain: { name: 'a thread a core and a writer, more faults', unit: '%' },
  },
  async measure(runs) {
    const cores = availableParallelism();
    const variants: readonly Variant[] = [
      { policy: MMAP_DROP, threads: 1, writer: false },
      { policy: MAINLINE, threads: 1, writer: false },
      { policy: MMAP_DROP, threads: cores, writer: true },
      { policy: MAINLINE, threads: cores, writer: true },
    ];
    const samples = await runs.interleaved(variants, OTHERS, (variant) => faults(runs, variant));
    const [oneMmap = 0, oneVma = 0, allMmap = 0, allVma = 0] = samples.map(median);
    const differences = (samples[1] ?? []).map((vma, round) => Math.abs(100 * (vma / (samples[0]?.[round] ?? 0) - 1)));
    const faultPerPair = await faultInLockPairs();
    return {
      cores,
      faultPerPair,
      oneMmap,
      oneVma,
      oneGain: 100 * (oneVma / oneMmap - 1),
      oneSame: roundsWith(differences.map((difference) => difference <= SAME)),
      oneOther: roundsWith(differences.map((difference) => difference > OTHER)),
      allMmap,
      allVma,
      allGain: 100 * (allVma / allMmap - 1),
    };
  },
  judge: ({ cores, faultPerPair, oneGain, oneSame, oneOther, allGain }) =>
    judgeAll(
      [
        {
          what: `with 1 thread the rate changes by ${said(oneGain)} %, by ${SAME} % at most in ${said(oneSame)} % of the rounds and by more than ${OTHER} % in ${said(oneOther)} %`,
          met: believed(oneGain, faultPerPair, ofRounds(oneSame, oneOther)),
        },
        {
          what: `with ${said(cores)} threads and a writer by ${said(allGain)} %${cores < MANY ? `, and ${said(cores)} cores are fewer than the ${MANY} from which on it is claimed` : ''}`,
          met: cores < MANY ? undefined : believed(allGain, faultPerPair, atLeast(allGain, 5, 0)),
        },
      ],
      pin(faultPerPair),
    ),
};

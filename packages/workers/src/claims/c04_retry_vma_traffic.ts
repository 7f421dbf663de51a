/** C4: what is left of mmap_lock when retries run under the VMA lock. */
import type { LockWaits, WaitedLock } from '@faultlab/core/locking/lock_waits';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { refaultThrash } from '../scenarios/refault_thrash.ts';
import { atMost, type Claim, judgeAll, median, ofRounds, roundsWith, said } from './claim.ts';
import { type ClaimRuns, fromScenario, type Ran } from './claim_runs.ts';
import { MAINLINE, RETRY_VMA } from './variants.ts';

const CPUS = 6;
const IO_MS = 2;
const SECONDS = 1.5;
const OTHERS = 1;
/** Waits of a millisecond and more are from this decade on. */
const MS_DECADE = 4;

interface Traffic {
  readonly reads: number;
  readonly dropped: number;
  readonly readMsWaits: number;
  readonly writeWait: number;
  readonly writes: number;
}

/** For a thousand pages used; the wait of writers for each acquisition, in microseconds. */
async function traffic(runs: ClaimRuns, policy: FaultPolicy): Promise<Traffic> {
  const run = fromScenario(refaultThrash, CPUS, [{ latency: `fixed:${IO_MS}ms` }]);
  const { sample } = await runs.run({ ...run, policy, seconds: SECONDS });
  const per = (count: number): number => (1000 * count) / sample.uses;
  const { counters } = sample;
  const read = waitsFor(sample, 'mmap_lock read');
  return {
    reads: per(counters.mmap_read_acquired),
    dropped: per(counters.lock_dropped_for_io),
    readMsWaits: per(read.decades.slice(MS_DECADE).reduce((sum, count) => sum + count, 0)),
    writeWait: waitsFor(sample, 'mmap_lock write').waitUs / counters.mmap_write_acquired,
    writes: per(counters.mmap_write_acquired),
  };
}

const waitsFor = ({ waits }: Ran['sample'], lock: WaitedLock): LockWaits => waits.locks.find((row) => row.lock === lock) as LockWaits;

type Key =
  | 'readsBefore'
  | 'readsAfter'
  | 'fall'
  | 'ioShare'
  | 'msBefore'
  | 'msAfter'
  | 'writeWaitBefore'
  | 'writeWaitAfter'
  | 'writersHalf'
  | 'writersAsBefore'
  | 'writesBefore'
  | 'writesAfter';

export const C4: Claim<Key> = {
  id: 'C4',
  title: 'Retrying under the VMA lock takes faults off mmap_lock',
  claim:
    'In the warm start of an application mmap_lock is taken for reading 5,719 instead of 20,010 times (-71 %), waits of readers of a millisecond and more fall from 656 to 15, and writers wait 107 instead of 598 us on average although there are as many of them.',
  source: 'cover letter of version 2 of the RETRY_VMA series, 30 April 2026',
  setup: `${CPUS} CPUs map, read and unmap files of their own in a memory cgroup that holds three quarters of them (scenario refault_thrash), from a device that takes ${IO_MS} ms, under linux-6.18 and retry-vma in turn, ${SECONDS} s each. Counts are for a thousand pages used.`,
  expected:
    'Acquisitions for reading fall by the share of them that come from faults which had dropped their lock for I/O, within 10 points (open to 20); waits of readers of 1 ms and more fall to a quarter or less (open to half; open with fewer than 0.5 before); writers wait half as long or less on average, in every round (open unless it is more than 0.8 in every round).',
  cannotTell: 'How much of the traffic of a real application is I/O: here nearly all of it is.',
  decidedBy: 'time',
  figures: {
    readsBefore: { name: 'mmap_lock for reading, linux-6.18', unit: 'for 1000 pages' },
    readsAfter: { name: 'mmap_lock for reading, retry-vma', unit: 'for 1000 pages' },
    fall: { name: 'acquisitions for reading fall by', unit: '%' },
    ioShare: { name: 'share of faults that had dropped their lock for I/O, linux-6.18', unit: '%' },
    msBefore: { name: 'waits of readers of 1 ms and more, linux-6.18', unit: 'for 1000 pages' },
    msAfter: { name: 'waits of readers of 1 ms and more, retry-vma', unit: 'for 1000 pages' },
    writeWaitBefore: { name: 'wait of a writer, linux-6.18', unit: 'us' },
    writeWaitAfter: { name: 'wait of a writer, retry-vma', unit: 'us' },
    writersHalf: { name: 'rounds in which a writer waits half as long or less', unit: '%' },
    writersAsBefore: { name: 'rounds in which a writer waits more than 0.8 times as long', unit: '%' },
    writesBefore: { name: 'mmap_lock for writing, linux-6.18', unit: 'for 1000 pages' },
    writesAfter: { name: 'mmap_lock for writing, retry-vma', unit: 'for 1000 pages' },
  },
  async measure(runs) {
    const [before = [], after = []] = await runs.interleaved([MAINLINE, RETRY_VMA], OTHERS, (policy) => traffic(runs, policy));
    const of = (samples: readonly Traffic[], key: keyof Traffic): number => median(samples.map((sample) => sample[key]));
    const readsBefore = of(before, 'reads');
    const waits = after.map(({ writeWait }, round) => writeWait / (before[round] as Traffic).writeWait);
    const readsAfter = of(after, 'reads');
    return {
      readsBefore,
      readsAfter,
      fall: 100 * (1 - readsAfter / readsBefore),
      ioShare: (100 * of(before, 'dropped')) / readsBefore,
      msBefore: of(before, 'readMsWaits'),
      msAfter: of(after, 'readMsWaits'),
      writeWaitBefore: of(before, 'writeWait'),
      writeWaitAfter: of(after, 'writeWait'),
      writersHalf: roundsWith(waits.map((ratio) => ratio <= 0.5)),
      writersAsBefore: roundsWith(waits.map((ratio) => ratio > 0.8)),
      writesBefore: of(before, 'writes'),
      writesAfter: of(after, 'writes'),
    };
  },
  judge: ({ readsBefore, readsAfter, fall, ioShare, msBefore, msAfter, writeWaitBefore, writeWaitAfter, writersHalf, writersAsBefore }) =>
    judgeAll([
      {
        what: `acquisitions for reading fall from ${said(readsBefore)} to ${said(readsAfter)}, by ${said(fall)} %, and faults that dropped their lock are ${said(ioShare)} %`,
        met: fall <= 0 ? false : atMost(Math.abs(fall - ioShare), 10, 20),
      },
      {
        what: `waits of readers of 1 ms and more go from ${said(msBefore)} to ${said(msAfter)}`,
        met: msBefore < 0.5 ? undefined : atMost(msAfter / msBefore, 0.25, 0.5),
      },
      {
        what: `a writer waits ${said(writeWaitBefore)} and ${said(writeWaitAfter)} us, half as long or less in ${said(writersHalf)} % of the rounds and more than 0.8 times as long in ${said(writersAsBefore)} %`,
        met: writeWaitBefore === 0 ? undefined : ofRounds(writersHalf, writersAsBefore),
      },
    ]),
};

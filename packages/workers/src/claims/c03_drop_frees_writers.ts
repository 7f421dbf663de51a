/** C3: why locks are dropped for I/O at all. */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { op } from '../program/op.ts';
import { mapRegion, ownRange, READ_WRITE } from '../scenarios/layout.ts';
import { atLeast, atMost, type Claim, judgeAll, median, said } from './claim.ts';
import type { ClaimRuns } from './claim_runs.ts';
import { coldFile, coldFileUse, coldView, mapCold, readAll } from './layout.ts';
import { oddList } from './per_cpu_times.ts';
import { MMAP_DROP, MMAP_HOLD } from './variants.ts';

const IO_MS = 10;
const PAGES = 64;
const SECONDS = 1.5;
const OTHERS = 1;

const view = coldView(0, PAGES);
const own = ownRange('own', 1, 4, 1, 'unmapped');

interface Rates {
  readonly reader: number;
  readonly writer: number;
}

async function rates(runs: ClaimRuns, policy: FaultPolicy): Promise<Rates> {
  const { result, seconds } = await runs.run({
    policy,
    cpus: 2,
    machine: { devices: [{ latency: `fixed:${IO_MS}ms` }] },
    files: [coldFile(PAGES)],
    sysctl: { faultAroundPages: 1 },
    setup: mapCold(view),
    program: (cpu) =>
      cpu === 0
        ? { regions: [view], files: [coldFileUse(PAGES)], body: { list: readAll(view) } }
        : { regions: [own], body: { list: oddList([mapRegion(own, READ_WRITE), op('munmap', own.start, own.pages)]) } },
    seconds: SECONDS,
  });
  const [reads = 0, writes = 0] = result.opsByCpu;
  // Of a round of the reader two operations are not reads, of one of the writer one is no call.
  return { reader: (reads * PAGES) / (PAGES + 2) / seconds, writer: (writes * 2) / 3 / seconds };
}

export const C3: Claim<'readerHold' | 'readerDrop' | 'writerHold' | 'writerDrop' | 'writerGain'> = {
  id: 'C3',
  title: 'Dropping mmap_lock for I/O frees writers',
  claim:
    'One thread reads a mapped file at random, another one maps and unmaps memory: with the lock dropped for I/O the reader stays at about 55 pages a second, the writer goes from 55 to 15,000 rounds a second.',
  source: 'commit d065bd810b6d, the first ALLOW_RETRY, 2010',
  setup: `Under mmap_lock alone, with the lock held over I/O and with linux-6.0, in turn: CPU 0 reads pages of a file, each from a device that takes ${IO_MS} ms, CPU 1 maps and unmaps an area of its own; ${SECONDS} s each.`,
  expected:
    'The rates of the reader differ by at most 15 % (open to 25 %). With the lock held the writer makes at most 4 calls for each read (open to 8); without, at least 20 times as many calls as before (open from 10).',
  cannotTell: 'The rates of a kernel: what a call costs here is the cost of a model.',
  decidedBy: 'time',
  figures: {
    readerHold: { name: 'pages read, lock held', unit: '1/s' },
    readerDrop: { name: 'pages read, lock dropped', unit: '1/s' },
    writerHold: { name: 'mmap and munmap, lock held', unit: 'calls/s' },
    writerDrop: { name: 'mmap and munmap, lock dropped', unit: 'calls/s' },
    writerGain: { name: 'the writer makes more calls', unit: 'times' },
  },
  async measure(runs) {
    const [holds = [], drops = []] = await runs.interleaved([MMAP_HOLD, MMAP_DROP], OTHERS, (policy) => rates(runs, policy));
    const of = (samples: readonly Rates[], who: keyof Rates): number => median(samples.map((sample) => sample[who]));
    const [writerHold, writerDrop] = [of(holds, 'writer'), of(drops, 'writer')];
    return {
      readerHold: of(holds, 'reader'),
      readerDrop: of(drops, 'reader'),
      writerHold,
      writerDrop,
      writerGain: writerDrop / writerHold,
    };
  },
  judge: ({ readerHold, readerDrop, writerHold, writerGain }) =>
    judgeAll([
      {
        what: `the reader makes ${said(readerHold)} and ${said(readerDrop)} reads a second`,
        met: atMost(Math.abs(readerDrop / readerHold - 1), 0.15, 0.25),
      },
      {
        what: `with the lock held the writer makes ${said(writerHold / readerHold)} calls for each read`,
        met: atMost(writerHold / readerHold, 4, 8),
      },
      { what: `without, ${said(writerGain)} times as many calls`, met: atLeast(writerGain, 20, 10) },
    ]),
};

/** C12: who walks page tables holds mmap_lock for reading. */
import { op } from '../program/op.ts';
import type { FileUse, Program, Region } from '../program/program.ts';
import { mapRegion, ownRange, READ_ONLY, READ_WRITE, rangeStart } from '../scenarios/layout.ts';
import { diskFile } from '../scenarios/storage.ts';
import { atLeast, type Claim, judgeAll, median, said } from './claim.ts';
import type { ClaimRuns } from './claim_runs.ts';
import { RETRY_VMA } from './variants.ts';

const PAGES = 1000;
/** What the cgroup is squeezed to, and let go again. */
const LOW = 500;
const HIGH = 100_000;
const SECONDS = 1.5;
const OTHERS = 0.5;
/** Values of sysctl.lruGen: generations, and generations for which page tables are walked. */
const WITHOUT_WALKS = 1;
const WITH_WALKS = 3;
/** Failures, in a thousand first writes, below which nothing is said about them. */
const FEW = 0.5;

const FILE: FileUse = { name: 'file', pages: PAGES, initial: 'token', writes: 'none', discards: 'mine' };
const VIEW: Region = {
  name: 'view of the file',
  start: rangeStart(0),
  pages: PAGES,
  initial: READ_ONLY,
  layout: 'fixed',
  discards: 'mine',
  writes: 'none',
  backing: { file: 0, offset: 0, shared: true },
};
const AGER: Program = {
  regions: [VIEW],
  files: [FILE],
  body: {
    list: [...Array.from({ length: PAGES }, (_, page) => op('read', VIEW.start + page)), op('memory_max', LOW), op('memory_max', HIGH)],
  },
};
const own = ownRange('new area', 1, 1, 0, 'unmapped');
const WRITER: Program = {
  regions: [own],
  body: { list: [mapRegion(own, READ_WRITE), op('write', own.start), op('munmap', own.start, 1)] },
};

interface Waits {
  readonly walks: number;
  /** Of writers for mmap_lock, microseconds for each acquisition. */
  readonly writeWait: number;
  /** First writes whose trylock of mmap_lock failed, of a thousand. */
  readonly failed: number;
}

async function waits(runs: ClaimRuns, lruGen: number): Promise<Waits> {
  const { result, sample, seconds } = await runs.run({
    policy: RETRY_VMA, // Under linux-6.18 retries of the reader hold mmap_lock, and a writer waits for them much longer than for walks.
    cpus: 2,
    machine: { devices: [{}] },
    files: [diskFile(PAGES)],
    sysctl: { lru: 1, lruGen },
    setup: [mapRegion(VIEW, READ_ONLY)],
    program: (cpu) => (cpu === 0 ? AGER : WRITER),
    seconds: SECONDS,
  });
  const { counters } = result;
  const waitUs = sample.waits.locks.find(({ lock }) => lock === 'mmap_lock write')?.waitUs ?? 0;
  const touches = (result.opsByCpu[1] ?? 0) / 3;
  return {
    walks: counters.lru_gen_mm_walked / seconds,
    writeWait: waitUs / counters.mmap_write_acquired,
    failed: (1000 * counters.anon_vma_trylock_failed) / touches,
  };
}

type Key = 'walksWithout' | 'walksWith' | 'waitWithout' | 'waitWith' | 'failedWithout' | 'failedWith';

export const C12: Claim<Key> = {
  id: 'C12',
  title: 'Aging that walks page tables makes writers wait, and trylocks of mmap_lock fail',
  claim:
    'Aging of generations holds mmap_lock for reading over long walks, got by trylock: it adds waits of writers, and those who come behind a waiting writer wait, too, or fail their trylock.',
  source: 'thread of the RETRY_VMA series, 30 November 2025',
  setup: `CPU 0 reads every page of a mapped file of ${PAGES} and squeezes its memory cgroup to half of it, again and again, so that pages are aged; CPU 1 maps an area, writes its first page and unmaps it. With generations without walks of page tables and with them, in turn, ${SECONDS} s each, under retry-vma, where no fault takes mmap_lock again after I/O.`,
  expected: `With walks a writer waits 2 times as long or more for each acquisition (open from 1.3, and where nobody waits at all), and 2 times as many first writes fail their trylock (open from 1.3; open with fewer than ${FEW} of 1,000).`,
  cannotTell: 'How long walks are in processes with millions of pages, and how often a kernel ages.',
  decidedBy: 'time',
  figures: {
    walksWithout: { name: 'processes walked, without walks', unit: '1/s' },
    walksWith: { name: 'processes walked, with walks', unit: '1/s' },
    waitWithout: { name: 'wait for mmap_lock for writing, without walks', unit: 'us' },
    waitWith: { name: 'wait for mmap_lock for writing, with walks', unit: 'us' },
    failedWithout: { name: 'trylocks of first writes that failed, without walks', unit: 'of 1000' },
    failedWith: { name: 'trylocks of first writes that failed, with walks', unit: 'of 1000' },
  },
  async measure(runs) {
    const [without = [], withWalks = []] = await runs.interleaved([WITHOUT_WALKS, WITH_WALKS], OTHERS, (lruGen) => waits(runs, lruGen));
    const of = (samples: readonly Waits[], key: keyof Waits): number => median(samples.map((sample) => sample[key]));
    return {
      walksWithout: of(without, 'walks'),
      walksWith: of(withWalks, 'walks'),
      waitWithout: of(without, 'writeWait'),
      waitWith: of(withWalks, 'writeWait'),
      failedWithout: of(without, 'failed'),
      failedWith: of(withWalks, 'failed'),
    };
  },
  judge({ walksWithout, walksWith, waitWithout, waitWith, failedWithout, failedWith }) {
    const walked = walksWithout === 0 && walksWith > 0;
    const grows = (before: number, after: number): boolean | undefined =>
      walked && Math.max(before, after) > 0 ? atLeast(after - 2 * before, 0, -0.7 * before) : undefined;
    return judgeAll([
      { what: `${said(walksWith)} walks a second, and ${said(walksWithout)} without`, met: walked ? true : undefined },
      { what: `a writer waits ${said(waitWith)} us with walks and ${said(waitWithout)} us without`, met: grows(waitWithout, waitWith) },
      {
        what: `${said(failedWith)} of 1,000 first writes fail their trylock with walks and ${said(failedWithout)} without`,
        met: Math.max(failedWith, failedWithout) < FEW ? undefined : grows(failedWithout, failedWith),
      },
    ]);
  },
};

/** C11: A waits for a device, B wants to change the address space, and C only wants a page. */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { op } from '../program/op.ts';
import type { Program } from '../program/program.ts';
import { mapRegion, ownRange, READ_ONLY, READ_WRITE } from '../scenarios/layout.ts';
import { atLeast, atMost, type Claim, judgeAll, median, said } from './claim.ts';
import type { ClaimRuns } from './claim_runs.ts';
import { coldFile, coldFileUse, coldView, mapCold, pause, readAll } from './layout.ts';
import { allTimed, FAULT_PATHS, firstTimed } from './per_cpu_times.ts';
import { HOLD, MAINLINE, MMAP_HOLD, RETRY_VMA } from './variants.ts';

/** Much longer than what a thread waits for a core when there are more threads than cores. */
const IO_MS = 150;
const PAGES = 16;
const SECONDS = 2;
const OTHERS = 0.5;

/** What B changes: memory of its own, or the area that A reads. */
type Target = 'own memory' | "A's area";

const view = coldView(3, PAGES, 0, true);
const own = ownRange('memory of B', 0, 4, 0, 'unmapped');
const anon = ownRange('memory of C', 1, 8, 0, READ_WRITE);
const kernel = ownRange('memory of D', 2, 8, 0, READ_WRITE);
const files = [coldFileUse(PAGES)];

const A: Program = { regions: [view], files, body: { list: readAll(view) } };
const B: Readonly<Record<Target, Program>> = {
  'own memory': { regions: [own], body: { list: allTimed([mapRegion(own, READ_WRITE), op('munmap', own.start, own.pages), ...pause(2)]) } },
  "A's area": {
    regions: [view],
    files,
    body: {
      list: allTimed([op('mprotect', view.start, 1, READ_WRITE), op('mprotect', view.start, 1, READ_ONLY), ...pause(2)]),
    },
  },
};
/** Faults in an area that nobody else changes: with per-VMA locks they need nothing else, once the first of them has made the anon_vma. */
const C: Program = {
  regions: [anon],
  setup: firstTimed([op('write', anon.start)]),
  body: { list: firstTimed([op('write', anon.start), op('madvise', anon.start, anon.pages, MADV_DONTNEED)]) },
};
/** Faults of the kernel's own accesses: they always take mmap_lock. */
const D: Program = {
  regions: [kernel],
  setup: firstTimed([op('write', kernel.start)]),
  body: { list: firstTimed([op('kernel_write', kernel.start), op('madvise', kernel.start, kernel.pages, MADV_DONTNEED)]) },
};

interface Longest {
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

/** The longest time of B's calls, of C's faults and of D's accesses. */
async function longest(runs: ClaimRuns, policy: FaultPolicy, target: Target): Promise<Longest> {
  const programs = [A, B[target], C, D];
  const { times } = await runs.run({
    policy,
    cpus: programs.length,
    machine: { devices: [{ latency: `fixed:${IO_MS}ms` }] },
    files: [coldFile(PAGES)],
    sysctl: { faultAroundPages: 1 },
    setup: [mapRegion(anon), mapRegion(kernel), ...mapCold(view)],
    program: (cpu) => programs[cpu] as Program,
    seconds: SECONDS,
  });
  const [, b, c, d] = times;
  return { b: b?.('mmap', 'munmap', 'mprotect').max ?? 0, c: c?.(...FAULT_PATHS).max ?? 0, d: d?.('kernel access').max ?? 0 };
}

const VARIANTS: readonly (readonly [FaultPolicy, Target])[] = [
  [MMAP_HOLD, 'own memory'],
  [MAINLINE, 'own memory'],
  [RETRY_VMA, 'own memory'],
  [HOLD, 'own memory'],
  [HOLD, "A's area"],
];

type Key = 'cMmap' | 'cMainline' | 'cRetryVma' | 'bHold' | 'cHold' | 'bHoldArea' | 'cHoldArea' | 'dHoldArea';

export const C11: Claim<Key> = {
  id: 'C11',
  title: 'The convoy of A, B and C',
  claim:
    'A, of low priority, holds mmap_lock for reading over I/O; B wants it for writing; C wants it for a fault on another area, and waits for A although they have nothing in common. With per-VMA locks C waits only if its fault needs mmap_lock; if locks are held, B waits only if it changes the area of A.',
  source: 'Barry Song, 22 June 2026',
  setup: `A reads pages of a file, each from a device that takes ${IO_MS} ms. B maps and unmaps memory of its own, or changes the protection of a page in A's area. C faults on anonymous memory that has its anon_vma; D faults in accesses of the kernel, which always need mmap_lock. Under mmap_lock alone held over I/O, linux-6.18, retry-vma and hold, in turn, ${SECONDS} s each; the longest times count.`,
  expected:
    "C waits half of the I/O or more under mmap_lock alone (open from 0.3), and 0.3 of it at most under linux-6.18, retry-vma, and hold (open to 0.5), whatever B does. Under hold B waits 0.3 of the I/O at most if it leaves A's area alone, and half or more if it changes it; then D waits half or more, too.",
  cannotTell: 'Priorities: the threads of the model have none, so it shows who waits for whom, not what a scheduler adds to it.',
  decidedBy: 'time',
  figures: {
    cMmap: { name: 'C, longest fault, mmap_lock held over I/O', unit: 'ms' },
    cMainline: { name: 'C, longest fault, linux-6.18', unit: 'ms' },
    cRetryVma: { name: 'C, longest fault, retry-vma', unit: 'ms' },
    bHold: { name: 'B, longest call on its own memory, hold', unit: 'ms' },
    cHold: { name: 'C, longest fault, hold, B on its own memory', unit: 'ms' },
    bHoldArea: { name: "B, longest call on A's area, hold", unit: 'ms' },
    cHoldArea: { name: "C, longest fault, hold, B on A's area", unit: 'ms' },
    dHoldArea: { name: "D, longest access, hold, B on A's area", unit: 'ms' },
  },
  async measure(runs) {
    const samples = await runs.interleaved(VARIANTS, OTHERS, ([policy, target]) => longest(runs, policy, target));
    const of = (variant: number, who: keyof Longest): number => median((samples[variant] ?? []).map((sample) => sample[who]));
    return {
      cMmap: of(0, 'c'),
      cMainline: of(1, 'c'),
      cRetryVma: of(2, 'c'),
      bHold: of(3, 'b'),
      cHold: of(3, 'c'),
      bHoldArea: of(4, 'b'),
      cHoldArea: of(4, 'c'),
      dHoldArea: of(4, 'd'),
    };
  },
  judge({ cMmap, cMainline, cRetryVma, bHold, cHold, bHoldArea, cHoldArea, dHoldArea }) {
    const waits = (ms: number): boolean | undefined => atLeast(ms / IO_MS, 0.5, 0.3);
    const goesOn = (ms: number): boolean | undefined => atMost(ms / IO_MS, 0.3, 0.5);
    return judgeAll([
      { what: `C waits up to ${said(cMmap)} ms under mmap_lock alone, with an I/O of ${IO_MS} ms`, met: waits(cMmap) },
      { what: `${said(cMainline)} ms under linux-6.18`, met: goesOn(cMainline) },
      { what: `${said(cRetryVma)} ms under retry-vma`, met: goesOn(cRetryVma) },
      { what: `under hold ${said(cHold)} ms, and B ${said(bHold)} ms on its own memory`, met: both(goesOn(cHold), goesOn(bHold)) },
      { what: `B ${said(bHoldArea)} ms on A's area`, met: waits(bHoldArea) },
      { what: `meanwhile C ${said(cHoldArea)} ms`, met: goesOn(cHoldArea) },
      { what: `and D ${said(dHoldArea)} ms`, met: waits(dHoldArea) },
    ]);
  },
};

const both = (one: boolean | undefined, other: boolean | undefined): boolean | undefined =>
  one === false || other === false ? false : one === undefined || other === undefined ? undefined : true;

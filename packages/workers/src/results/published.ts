/**
 * Figures that were published about this area, and what the model shows where it has the same set-up: the direction, not the amount.
 * Next: results_page.ts
 */
import { changeWords, directionOf, type Evidence, markdownTable } from './evidence.ts';
import type { ResultName } from './result_files.ts';

interface Figure {
  readonly what: string;
  readonly published: string;
  /** Which way the published figure goes; absent for one that says "no change", or that has no direction. */
  readonly goes?: 'rises' | 'falls';
  /** Where the model has it: file, scenario, policies, metric. Absent: why not. */
  readonly here?: readonly [file: ResultName, scenario: string, before: string, after: string, metric: string];
  readonly instead?: (evidence: Evidence) => string;
}

const WARM = ['proposals', 'cold_readers', 'linux-6.18', 'retry-vma'] as const;
const THRASH = ['proposals', 'refault_thrash', 'linux-6.18', 'retry-vma'] as const;

const WITH_V2: readonly Figure[] = [
  {
    what: 'app start: mmap_lock read acquisitions',
    published: '20,010 -> 5,719 (-71.42 %)',
    goes: 'falls',
    here: [...WARM, 'mmap_read_per_fault'],
  },
  { what: 'read wait, total', published: '10,695,877 -> 408,436 us (-96.18 %)', goes: 'falls', here: [...WARM, 'mmap_read_wait'] },
  { what: 'read wait, mean', published: '534 -> 71 us', goes: 'falls', here: [...WARM, 'mmap_read_wait_mean'] },
  { what: 'write acquisitions', published: '838 -> 909 (+8.47 %)', goes: 'rises', here: [...WARM, 'mmap_write'] },
  { what: 'write wait, total', published: '501,293 -> 97,633 us (-80.52 %)', goes: 'falls', here: [...WARM, 'mmap_write_wait'] },
  { what: 'write wait, mean', published: '598 -> 107 us', goes: 'falls', here: [...WARM, 'mmap_write_wait_mean'] },
  { what: 'read waits of 1 ms and more', published: '656 -> 15', goes: 'falls', here: [...WARM, 'mmap_read_waits_1ms'] },
  { what: 'write waits of 1 ms and more', published: '38 -> 5', goes: 'falls', here: [...WARM, 'mmap_write_waits_1ms'] },
  { what: 'thrash model: rounds/s', published: '37.85, 39.22 -> 90.71, 59.91', goes: 'rises', here: [...THRASH, 'pages_used'] },
  {
    what: 'thrash model: locks dropped (MMAP_DROP) in 600 s',
    published: '970,078, 972,043 -> 1,204,124, 327,023',
    here: [...THRASH, 'drops'],
  },
  {
    what: 'thrash model: pages gone (IO_MISS) in 600 s',
    published: '436,956, 437,077 -> 20,398, 99',
    goes: 'falls',
    here: [...THRASH, 'gone'],
  },
  { what: 'thrash model: miss/drop', published: '45.04, 44.96 % -> 1.69, 0.03 %', goes: 'falls', here: [...THRASH, 'gone_share'] },
  { what: 'thrash model: spread of two runs, largest to smallest rounds/s', published: '1.04 -> 1.51', instead: spread },
  {
    what: 'uptodate rule: swap-in rounds',
    published: '874 -> 1,017 (+16.4 %)',
    goes: 'rises',
    here: ['uptodate', 'swap_storm', 'retry-vma', 'retry-vma-uptodate', 'pages_used'],
  },
  {
    what: 'uptodate rule: pageout rounds',
    published: '1,324,847 -> 1,330,550 (+0.4 %)',
    here: ['uptodate', 'swap_storm', 'retry-vma', 'retry-vma-uptodate', 'ops'],
  },
];

const EARLIER: readonly Figure[] = [
  {
    what: 'dropping the lock for I/O (2010): mmap/munmap loop beside a reader',
    published: '55 -> 15,000 iterations/s; reader 55 both ways',
    goes: 'rises',
    here: ['dropping', 'cold_readers', 'linux-6.0-hold', 'linux-6.0', 'mmap_write'],
  },
  {
    what: 'VM_FAULT_COMPLETED (6.0): time for dirtying a file',
    published: '650,980 -> 569,396 (-12.53 %)',
    goes: 'rises',
    here: ['completed', 'shared_write_storm', 'linux-5.7', 'linux-6.0', 'pages_used'],
  },
  {
    what: 'VM_FAULT_COMPLETED: attempts that are spared, as mmap_lock acquisitions per 1000 faults',
    published: 'one of two',
    goes: 'falls',
    here: ['completed', 'shared_write_storm', 'linux-5.7', 'linux-6.0', 'mmap_read_per_fault'],
  },
  {
    what: 'per-VMA locks (6.4): faults/s of pft-threads, 1, 4, 12, 30, 48, 110, 128 threads',
    published: '-0.48, -8.06, +5.94, +12.3, +19.6, +27.45, +24.6 %',
    here: ['releases', 'disjoint_anon', 'linux-6.0', 'linux-6.4', 'faults'],
  },
  {
    what: 'per-VMA locks (6.4): Android app start with about 100 threads; share of the gain of speculative faults; CPU of TCP zero-copy receive',
    published: 'up to 20 % faster; about 75 %; about 0.5 %',
    goes: 'falls',
    here: ['releases', 'munmap_storm', 'linux-6.0', 'linux-6.4', 'mmap_read_per_fault'],
  },
  {
    what: 'reference counts (6.15): faults/cpu, 1, 21, 30, 48, 56 threads',
    published: '-0.28, +14.76, +13.05, +12.91, +11.89 %',
    here: ['releases', 'disjoint_anon', 'linux-6.12', 'linux-6.18', 'faults'],
  },
  {
    what: 'the same on Zen 5, 4, 48, 79, 110, 128 threads',
    published: '-8.98, +16.7, +26.66, +17.9 to +21.6, +20.7 to +26.2 %',
    here: ['releases', 'munmap_storm', 'linux-6.12', 'linux-6.18', 'faults'],
  },
  {
    what: 'anon_vma delayed (6.10): throughput of one test-robot case',
    published: 'about 3x',
    goes: 'rises',
    here: ['releases', 'many_small_areas', 'linux-6.6', 'linux-6.12', 'faults'],
  },
  {
    what: 'anon_vma delayed: share of faults that are done under the VMA lock',
    published: 'not posted',
    here: ['releases', 'many_small_areas', 'linux-6.6', 'linux-6.12', 'vma_lock_success'],
  },
  {
    what: 'swap and userfaultfd under the VMA lock (6.6)',
    published: 'none: asked for, and not measured',
    here: ['releases', 'munmap_storm', 'linux-6.4', 'linux-6.6', 'faults'],
  },
  {
    what: 'LoongArch uses VMA locks: ebizzy records',
    published: '97,838 -> 115,431 (+17.9 %)',
    goes: 'rises',
    here: ['releases', 'munmap_storm', 'linux-6.0', 'linux-6.18', 'faults'],
  },
  {
    what: 'UFFDIO_MOVE on Android: stalls from waits for the anon_vma lock',
    published: 'above 50 ms',
    instead: () => 'no scenario of this comparison has it',
  },
  { what: 'lock dropping removed: lines of the kernel', published: '+27, -119', instead: removed },
  {
    what: 'an Android build that holds the lock: fork blocked',
    published: '440 and 515 ms',
    goes: 'rises',
    here: ['proposals', 'fork_io', 'linux-6.18', 'hold', 'fork_stall_max'],
  },
];

/** Runs differ: the largest to the smallest rate of each side. */
function spread(evidence: Evidence): string {
  return ['linux-6.18', 'retry-vma']
    .map((policy) => {
      const rates = evidence.runs('proposals', 'refault_thrash', policy).flatMap(({ metrics }) => metrics['pages_used'] ?? []);
      const least = Math.min(...rates);
      return rates.length < 2 || least <= 0 ? 'n/a' : (Math.max(...rates) / least).toFixed(2);
    })
    .join(' -> ');
}

function removed(evidence: Evidence): string {
  const [base, hold] = ['linux-6.18', 'hold'].map((policy) => new Set(evidence.branches(policy)?.outcomes)) as [Set<string>, Set<string>];
  const only = (one: Set<string>, other: Set<string>): number => [...one].filter((outcome) => !other.has(outcome)).length;
  return `outcomes of branches: +${only(hold, base)}, -${only(base, hold)}`;
}

const NO_DIRECTION = 'no direction to compare';

/** Does the model go the way of the published figure? */
function shapeOf({ goes, here }: Figure, evidence: Evidence): string {
  if (here === undefined) return '';
  if (goes === undefined) return NO_DIRECTION;
  const direction = directionOf(evidence.change(...here));
  if (direction === 'undecided') return 'not decidable here';
  return direction === goes ? 'same direction' : 'opposite direction';
}

function rowOf(figure: Figure, evidence: Evidence): string[] {
  const { what, published, here, instead } = figure;
  if (here === undefined) return [what, published, instead?.(evidence) ?? '', '', ''];
  const [, scenario, before, after, metric] = here;
  const change = evidence.change(...here);
  return [
    what,
    published,
    changeWords(change),
    `\`${metric}\` in \`${scenario}\`, \`${before}\` -> \`${after}\``,
    shapeOf(figure, evidence),
  ];
}

const HEADER = ['published', 'figure', 'here', 'what it is here', 'shape'];

/** @returns markdown lines */
export function publishedTables(evidence: Evidence): string[] {
  const shapes = [...WITH_V2, ...EARLIER].map((figure) => shapeOf(figure, evidence));
  const count = (shape: string): number => shapes.filter((each) => each === shape).length;
  return [
    `Of ${shapes.length} figures, ${count('same direction')} go the same way here, ${count('opposite direction')} the opposite way, ${count('not decidable here')} are not decidable, and the others have no direction or no counterpart.`,
    '',
    '### Posted with the second version (30 April 2026)',
    '',
    ...markdownTable(
      HEADER,
      WITH_V2.map((figure) => rowOf(figure, evidence)),
    ),
    '### Before and besides',
    '',
    ...markdownTable(
      HEADER,
      EARLIER.map((figure) => rowOf(figure, evidence)),
    ),
    'A model on few cores cannot say anything about dozens of threads: figures of per-VMA locks and of reference counts by threads are compared with one number of CPUs, and the amounts with none.',
    '',
  ];
}

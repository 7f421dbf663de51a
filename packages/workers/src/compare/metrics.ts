/**
 * What is compared: one table of metrics, each with its unit, which way is better, what it means, and how it follows from a sample.
 * Next: sample.ts, statistics.ts
 */
import type { LockWaits, WaitedLock } from '@faultlab/core/locking/lock_waits';
import type { LatencyPath } from '../arena_map.ts';
import { fairnessOf } from '../run_result.ts';
import { faultsOf } from '../stress/stress_totals.ts';
import { Percentiles } from './percentiles.ts';
import type { Sample } from './sample.ts';

export type Better = 'lower' | 'higher' | 'neither';
export type Unit = '1/s' | 'us' | 'ms' | 'ms/s' | '%' | 'per 1000' | 'ratio';

export interface Metric {
  readonly name: string;
  readonly unit: Unit;
  readonly better: Better;
  /** For lists: one phrase. */
  readonly meaning: string;
}

interface MetricSpec extends Metric {
  /** Null: this run says nothing about it. */
  readonly of: (sample: Sample, percentiles: Percentiles) => number | null;
}

const share = (part: number, whole: number): number | null => (whole === 0 ? null : (100 * part) / whole);
const perThousand = (part: number, whole: number): number | null => (whole === 0 ? null : (1000 * part) / whole);
const mean = (sum: number, count: number): number | null => (count === 0 ? null : sum / count);
const US_PER_MS = 1000;

const spec = (name: string, unit: Unit, better: Better, meaning: string, of: MetricSpec['of']): MetricSpec => ({
  name,
  unit,
  better,
  meaning,
  of,
});

const waitsOf = ({ waits }: Sample, lock: WaitedLock): LockWaits => waits.locks.find((row) => row.lock === lock) as LockWaits;
/** Waits of at least `decade`: 4 is a millisecond, as 10^(decade - 1) microseconds. */
const atLeast = ({ decades }: LockWaits, decade: number): number => decades.slice(decade).reduce((sum, count) => sum + count, 0);
const MS_DECADE = 4;

const PERCENTS = [50, 90, 99, 99.9, 99.99] as const;
const percentName = (percent: number): string => `p${String(percent).replace('.', '_')}`;

/** `fault_vma_lock_p99_9` */
function latencyMetrics(key: string, paths: readonly LatencyPath[], what: string): MetricSpec[] {
  return PERCENTS.map((percent) =>
    spec(`${key}_${percentName(percent)}`, 'us', 'lower', `${what}: ${percent} % took no longer`, (_, percentiles) =>
      percentiles.us(paths, percent),
    ),
  );
}

const FAULT_PATHS: readonly LatencyPath[] = ['fault: vma lock', 'fault: mmap fallback', 'fault: retry'];
const FAULT_LATENCY = [
  ...latencyMetrics('fault', FAULT_PATHS, 'page faults, all kinds'),
  ...latencyMetrics('fault_vma_lock', ['fault: vma lock'], 'faults done in one attempt under the VMA lock'),
  ...latencyMetrics('fault_mmap_fallback', ['fault: mmap fallback'], 'faults done in one attempt under mmap_lock'),
  ...latencyMetrics('fault_retry', ['fault: retry'], 'faults of more than one attempt'),
];

/** By kind. At the end of the table: the draws of an interval go by the place of its metric, and those of earlier files are to stay. */
const KIND_LATENCY = [
  ...latencyMetrics('fault_anonymous', ['fault: anonymous'], 'faults on anonymous memory that read nothing'),
  ...latencyMetrics('fault_file', ['fault: file'], 'faults on files whose page was in the page cache'),
  ...latencyMetrics('fault_shmem', ['fault: shmem'], 'faults on shmem that read nothing'),
  ...latencyMetrics('fault_driver', ['fault: driver'], "faults on a driver's buffer"),
  ...latencyMetrics('fault_major_file', ['fault: major, file read'], 'faults that read a file'),
  ...latencyMetrics('fault_major_swap', ['fault: major, swapped in'], 'faults that read from swap'),
];

/** Calls that take mmap_lock for writing; madvise only now and then. */
const WRITERS = [
  ['mmap', 'mmap'],
  ['munmap', 'munmap'],
  ['mprotect', 'mprotect'],
  ['mremap', 'mremap'],
  ['madvise', 'madvise'],
  ['brk', 'brk'],
  ['fork', 'fork'],
  ['fork and exit', 'fork_and_exit'],
] as const satisfies readonly (readonly [LatencyPath, string])[];

const WRITER_LATENCY = WRITERS.flatMap(([path, key]) => [
  spec(`${key}_p50`, 'us', 'lower', `${path}: half of the calls took no longer`, (_, percentiles) => percentiles.us([path], 50)),
  spec(`${key}_p99`, 'us', 'lower', `${path}: 99 % of the calls took no longer`, (_, percentiles) => percentiles.us([path], 99)),
  spec(`${key}_max`, 'us', 'lower', `${path}: the longest call that was timed`, (_, percentiles) => percentiles.maxUs([path])),
]);

/** Waits for one lock of an address space. */
function waitMetrics(key: string, lock: WaitedLock, acquisitions: (sample: Sample) => number): MetricSpec[] {
  const of = (sample: Sample): LockWaits => waitsOf(sample, lock);
  return [
    spec(
      `${key}_wait`,
      'ms/s',
      'lower',
      `time that CPUs waited for ${lock}, of all CPUs together`,
      (sample) => of(sample).waitUs / US_PER_MS / sample.seconds,
    ),
    spec(`${key}_wait_mean`, 'us', 'lower', `the same for each acquisition`, (sample) => mean(of(sample).waitUs, acquisitions(sample))),
    spec(
      `${key}_waits_1ms`,
      '1/s',
      'lower',
      `waits for ${lock} of a millisecond and more`,
      (sample) => atLeast(of(sample), MS_DECADE) / sample.seconds,
    ),
    spec(
      `${key}_behind_io`,
      '1/s',
      'lower',
      `waits for ${lock} of which a part was behind a task that slept for a device`,
      (sample) => of(sample).behindIo / sample.seconds,
    ),
    spec(`${key}_behind_io_share`, 'per 1000', 'lower', `the same for a thousand acquisitions`, (sample) =>
      perThousand(of(sample).behindIo, acquisitions(sample)),
    ),
    spec(`${key}_behind_io_time`, 'ms/s', 'lower', `these parts`, (sample) => of(sample).behindIoUs / US_PER_MS / sample.seconds),
    spec(`${key}_behind_io_max`, 'us', 'lower', `the longest of them`, (sample) => of(sample).behindIoUsMax),
  ];
}

const writesOf = ({ counters }: Sample): number => counters.mmap_write_acquired;
/** Of mmap_lock and of areas together: what a writer waits for. */
const writerWaits = (sample: Sample): readonly LockWaits[] => [waitsOf(sample, 'mmap_lock write'), waitsOf(sample, 'vma write')];
const sumOf = (rows: readonly LockWaits[], field: 'behindIo' | 'behindIoUs' | 'invertedUs' | 'waitUs'): number =>
  rows.reduce((sum, row) => sum + row[field], 0);

const WRITERS_BEHIND_IO = [
  spec(
    'writer_behind_io',
    '1/s',
    'lower',
    'waits of writers, for mmap_lock or an area, behind a fault that slept for a device',
    (sample) => sumOf(writerWaits(sample), 'behindIo') / sample.seconds,
  ),
  spec('writer_behind_io_share', 'per 1000', 'lower', 'the same for a thousand acquisitions of mmap_lock for writing', (sample) =>
    perThousand(sumOf(writerWaits(sample), 'behindIo'), writesOf(sample)),
  ),
  spec(
    'writer_behind_io_time',
    'ms/s',
    'lower',
    'how long they waited behind it',
    (sample) => sumOf(writerWaits(sample), 'behindIoUs') / US_PER_MS / sample.seconds,
  ),
  spec('writer_behind_io_mean', 'us', 'lower', 'the same for each of these waits', (sample) =>
    mean(sumOf(writerWaits(sample), 'behindIoUs'), sumOf(writerWaits(sample), 'behindIo')),
  ),
  spec('writer_behind_io_max', 'us', 'lower', 'the longest of them', (sample) =>
    Math.max(...writerWaits(sample).map((row) => row.behindIoUsMax)),
  ),
];

/** A lock that is held while its holder sleeps for a device. */
function heldMetrics(key: string, lock: WaitedLock, what: string): MetricSpec[] {
  const of = (sample: Sample): LockWaits => waitsOf(sample, lock);
  return [
    spec(
      `${key}_held_over_io`,
      '1/s',
      'neither',
      `sleeps for a device with ${what} held`,
      (sample) => of(sample).heldOverIo / sample.seconds,
    ),
    spec(`${key}_held_over_io_time`, 'ms/s', 'neither', `their time`, (sample) => of(sample).heldOverIoUs / US_PER_MS / sample.seconds),
    spec(`${key}_held_over_io_max`, 'us', 'neither', `the longest of them`, (sample) => of(sample).heldOverIoUsMax),
  ];
}

const VMA_LOCK_EVENTS = (['vma_lock_success', 'vma_lock_abort', 'vma_lock_retry', 'vma_lock_miss'] as const).map((name) =>
  spec(name, 'per 1000', name === 'vma_lock_success' ? 'higher' : 'lower', `${name} of /proc/vmstat for a thousand faults`, (sample) =>
    perThousand(sample.counters[name], faultsOf(sample.counters)),
  ),
);

const perSecond = (name: string, better: Better, meaning: string, of: (sample: Sample) => number): MetricSpec =>
  spec(name, '1/s', better, meaning, (sample) => of(sample) / sample.seconds);

const SPECS: readonly MetricSpec[] = [
  perSecond('faults', 'higher', 'page faults of all kinds that entered the handler', ({ counters }) => faultsOf(counters)),
  perSecond('pages_used', 'higher', 'touches of pages that succeeded', ({ uses }) => uses),
  perSecond('ops', 'higher', 'operations of all programs', ({ ops }) => ops),
  ...FAULT_LATENCY,
  perSecond('mmap_read', 'lower', 'mmap_lock, acquired for reading', ({ counters }) => counters.mmap_read_acquired),
  spec('mmap_read_per_fault', 'per 1000', 'lower', 'the same for a thousand faults', ({ counters }) =>
    perThousand(counters.mmap_read_acquired, faultsOf(counters)),
  ),
  perSecond('mmap_write', 'neither', 'mmap_lock, acquired for writing', ({ counters }) => counters.mmap_write_acquired),
  ...waitMetrics('mmap_read', 'mmap_lock read', ({ counters }) => counters.mmap_read_acquired),
  ...waitMetrics('mmap_write', 'mmap_lock write', writesOf),
  ...waitMetrics('vma_write', 'vma write', ({ counters }) => counters.vma_write_locked),
  ...WRITERS_BEHIND_IO,
  ...VMA_LOCK_EVENTS,
  ...WRITER_LATENCY,
  perSecond('faults_retried', 'lower', 'attempts that ended with RETRY', ({ counters }) => counters.faults_retried),
  spec('faults_retried_share', 'per 1000', 'lower', 'the same for a thousand faults', ({ counters }) =>
    perThousand(counters.faults_retried, faultsOf(counters)),
  ),
  perSecond(
    'faults_retried_vma',
    'neither',
    'those whose next attempt ran under the VMA lock',
    ({ counters }) => counters.faults_retried_vma,
  ),
  perSecond('drops', 'neither', 'fault locks dropped for a device', ({ counters }) => counters.lock_dropped_for_io),
  perSecond('gone', 'lower', 'retries that found their page gone', ({ counters }) => counters.page_gone_at_retry),
  spec('gone_share', '%', 'lower', 'the same as a share of the drops', ({ counters }) =>
    share(counters.page_gone_at_retry, counters.lock_dropped_for_io),
  ),
  spec('reads_per_page_used', 'ratio', 'lower', 'pages that devices read for each page that a program touched', ({ pagesRead, uses }) =>
    mean(pagesRead, uses),
  ),
  perSecond(
    'refaults',
    'lower',
    'pages that were wanted again after reclaim',
    ({ counters }) => counters.workingset_refault_file + counters.workingset_refault_anon,
  ),
  ...heldMetrics('mmap_read', 'mmap_lock read', 'mmap_lock'),
  ...heldMetrics('vma_read', 'vma write', 'the lock of an area'),
  perSecond('forks', 'neither', 'forks', ({ waits }) => waits.forks.forks),
  spec('fork_stall_mean', 'us', 'lower', 'waits for locks of the address space, for each fork', ({ waits }) =>
    mean(waits.forks.stallUs, waits.forks.forks),
  ),
  spec('fork_stall_max', 'us', 'lower', 'the longest of a fork', ({ waits }) => (waits.forks.forks === 0 ? null : waits.forks.stallUsMax)),
  spec(
    'inversion',
    'ms/s',
    'lower',
    'waits behind a task that slept for a device and has a lower priority',
    (sample) => sumOf(sample.waits.locks, 'invertedUs') / US_PER_MS / sample.seconds,
  ),
  spec('fairness', 'ratio', 'higher', 'operations of the slowest CPU for each of the fastest', ({ opsByCpu }) => {
    const { min, max } = fairnessOf(opsByCpu);
    return max === 0 ? null : min / max;
  }),
  ...KIND_LATENCY,
];

export const METRICS: readonly Metric[] = SPECS.map(({ name, unit, better, meaning }) => ({ name, unit, better, meaning }));
const BY_NAME: ReadonlyMap<string, Metric> = new Map(METRICS.map((metric) => [metric.name, metric]));

export const metricByName = (name: string): Metric | undefined => BY_NAME.get(name);

/** Digits that are kept: a metric of such a run has no more. */
const DIGITS = 5;
const rounded = (value: number): number => Number(value.toPrecision(DIGITS));

/** All of the table, by name; null where the run says nothing. */
export function metricsOf(sample: Sample): Record<string, number | null> {
  const percentiles = new Percentiles(sample.latency);
  return Object.fromEntries(
    SPECS.map(({ name, of }) => {
      const value = of(sample, percentiles);
      return [name, value === null || !Number.isFinite(value) ? null : rounded(value)];
    }),
  );
}

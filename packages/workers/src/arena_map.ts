/**
 * How the words left to the user of a machine are divided: first the caller's own, then what this package keeps in shared memory so
 * that it can be read from outside while the CPUs run: the last operations and the latency buckets of each CPU.
 * The same size gives the same map on every thread.
 * Next: program/op_log.ts, program/latency.ts
 */
import type { MachineSize } from '@faultlab/core/memory/limits';
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';

/** Words that CPUs use to hand address spaces to each other; one per CPU, then lines for shared counters and for the run's userfaultfd. */
export const COUNTER_WORDS: number = LINE_WORDS * 3;

/** Log-linear buckets: 32 steps in each doubling, up to 2^36 ns (more than a minute). */
export const BUCKET_STEPS = 32;
export const BUCKET_COUNT: number = BUCKET_STEPS * 32;

/** What is timed. The order is the order of the tables in a report. A fault that was served is timed by its way and by its kind. */
export const LATENCY_PATHS = [
  'fault: vma lock',
  'fault: mmap fallback',
  'fault: retry',
  'fault: refused',
  'fault: anonymous',
  'fault: file',
  'fault: shmem',
  'fault: driver',
  'fault: major, file read',
  'fault: major, swapped in',
  'kernel access',
  'remote access',
  'mmap',
  'munmap',
  'mprotect',
  'mremap',
  'madvise',
  'mlock',
  'brk',
  'file read',
  'file write',
  'truncate or punch',
  'sync',
  'pages through GUP',
  'fork',
  'fork and exit',
  'process round',
] as const;
export type LatencyPath = (typeof LATENCY_PATHS)[number];

/** For each page of each file of a run the newest stamp that its owner is known to have written: for oracles (program/published.ts). */
export const PUBLISHED_FILES = 8;
export const PUBLISHED_PAGES = 1024;
const PUBLISHED_WORDS: number = PUBLISHED_FILES * PUBLISHED_PAGES;

export const OP_LOG_ENTRIES = 64;
export const OP_LOG_ENTRY_WORDS = 8;
const OP_LOG_WORDS: number = LINE_WORDS + OP_LOG_ENTRIES * OP_LOG_ENTRY_WORDS;
const LATENCY_WORDS: number = LATENCY_PATHS.length * BUCKET_COUNT;
const PER_CPU: number = OP_LOG_WORDS + LATENCY_WORDS;

/** Where each part begins, as an index into the `user` view of the memory. */
export interface ArenaMap {
  readonly mailboxes: number;
  readonly counter: number;
  /** The userfaultfd context of the run, or 0. */
  readonly userfault: number;
  readonly published: number;
  opLog(cpu: number): number;
  latency(cpu: number): number;
}

/** What this package needs besides the caller's words. */
export const harnessWords = (cpus: number): number => cpus * LINE_WORDS + COUNTER_WORDS + PUBLISHED_WORDS + cpus * PER_CPU;

const roundToLine = (words: number): number => Math.ceil(words / LINE_WORDS) * LINE_WORDS;

/** The size of a machine whose caller asked for `size.userWords` words. */
export function withHarnessWords(size: MachineSize): MachineSize {
  return { ...size, userWords: roundToLine(size.userWords) + harnessWords(size.cpus) };
}

/** The map of a memory whose size came from `withHarnessWords`. */
export function arenaMap(size: MachineSize): ArenaMap {
  const mailboxes = size.userWords - harnessWords(size.cpus);
  const counter = mailboxes + size.cpus * LINE_WORDS;
  const published = counter + COUNTER_WORDS;
  const perCpu = published + PUBLISHED_WORDS;
  return {
    mailboxes,
    counter,
    userfault: counter + 2 * LINE_WORDS,
    published,
    opLog: (cpu) => perCpu + cpu * PER_CPU,
    latency: (cpu) => perCpu + cpu * PER_CPU + OP_LOG_WORDS,
  };
}

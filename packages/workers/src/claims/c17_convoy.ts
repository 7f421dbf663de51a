/** C17: who waits for a page of a file takes its lock in turn; who waits for a page of swap is only told. */
import { FILE_DISK } from '@faultlab/core/mm/address_space';
import { MADV_PAGEOUT, PROT_READ } from '@faultlab/core/mm/mman';
import { bootMachine } from '../machine.ts';
import { type Op, op } from '../program/op.ts';
import type { FileUse, Program, Region } from '../program/program.ts';
import type { ProgramsRun } from '../run_programs.ts';
import { mapRegion, rangeStart, striped } from '../scenarios/layout.ts';
import { type Claim, judgeAll, said } from './claim.ts';
import type { ClaimRuns, Ran } from './claim_runs.ts';
import { pause } from './layout.ts';
import { MAINLINE } from './variants.ts';

const WAITERS = 4;
/** A request: long enough that all are waiting before the page is there. */
const IO_MS = 150;
/** Sleeps that take longer than a request. */
const SLEEPS = 1_000;
const PAGES = 4;

const FILE: FileUse = { name: 'file', pages: PAGES, initial: 'token', writes: 'none', discards: 'mine' };
/** A view for each waiter: everybody has an entry of his own to fill. */
const view = (cpu: number): Region => ({
  name: `view of CPU ${cpu}`,
  start: rangeStart(cpu),
  pages: PAGES,
  initial: PROT_READ,
  layout: 'fixed',
  discards: 'mine',
  writes: 'none',
  backing: { file: 0, offset: 0, shared: true },
});
const memory = (cpu: number): Region => striped('memory', 0, PAGES, cpu, WAITERS);

const idle: Program = { regions: [], body: { list: [op('nop')] }, count: 1 };

/** So many CPUs read the page at once. */
const ofFile = (readers: number): ProgramsRun => ({
  files: [{ pages: PAGES, kind: FILE_DISK, device: 0, raPages: 1 }],
  sysctl: { faultAroundPages: 1 },
  setup: Array.from({ length: WAITERS }, (_, cpu) => mapRegion(view(cpu), PROT_READ)),
  program: (cpu) =>
    cpu < readers ? { regions: [view(cpu)], files: [FILE], body: { list: [op('read', rangeStart(cpu))] }, count: 1 } : idle,
});
/** The first CPU brings the page to swap before all begin. */
const ofSwap = (readers: number): ProgramsRun => ({
  swaps: [{ pages: 64, device: 0 }],
  sysctl: { pageCluster: 0 },
  setup: [mapRegion(memory(0))],
  program: (cpu) => ({
    regions: [memory(cpu)],
    setup: cpu === 0 ? OUT : [],
    body: { list: [cpu < readers ? op('read', rangeStart(0)) : op('nop')] },
    count: 1,
  }),
});
/** The page is written out, mapped again, and leaves memory when it is pushed out once more. */
const PUSH: Op = op('madvise', rangeStart(0), 1, MADV_PAGEOUT);
const OUT: readonly Op[] = [op('write', rangeStart(0)), PUSH, ...pause(SLEEPS), op('read', rangeStart(0)), PUSH, ...pause(SLEEPS)];

const folioLocks = ({ result }: Ran): number =>
  result.locks.filter(({ name }) => name === 'folio').reduce((sum, { acquisitions }) => sum + acquisitions, 0);

interface PerWaiter {
  readonly waited: number;
  readonly locks: number;
  readonly retries: number;
  readonly retriesPerWait: number;
}

/** Runs in which somebody came too late to wait are made again, so many times. */
const TRIES = 5;

/** What each further reader adds to a run with one. */
async function perWaiter(runs: ClaimRuns, of: (readers: number) => ProgramsRun): Promise<PerWaiter> {
  const devices = [{ latency: `fixed:${IO_MS}ms` }];
  await using machine = await bootMachine({ policy: MAINLINE, cpus: WAITERS, devices, trace: false });
  const one = await runs.runOn(machine, of(1));
  const waited = ({ result }: Ran): number => result.counters.lock_dropped_for_io;
  let all = await runs.runOn(machine, of(WAITERS));
  for (let tries = 1; tries < TRIES && waited(all) < WAITERS; tries++) all = await runs.runOn(machine, of(WAITERS));
  const per = (count: (ran: Ran) => number): number => (count(all) - count(one)) / (WAITERS - 1);
  const retried = ({ result }: Ran): number => result.counters.faults_retried;
  return { waited: waited(all), locks: per(folioLocks), retries: per(retried), retriesPerWait: retried(all) / waited(all) };
}

type Key = 'fileWaited' | 'fileLocks' | 'fileRetries' | 'swapWaited' | 'swapLocks' | 'swapRetries';

export const C17: Claim<Key> = {
  id: 'C17',
  title: 'Waiters for a page of a file convoy, waiters for a page of swap do not',
  claim:
    'A fault that waits for a page of a file takes the page lock exclusively, one after the other, and gives it back before it tries again; a fault that waits for a page of swap sleeps until the page is unlocked, takes no lock, and all are woken at once.',
  source: 'specification of the model, section 14 (C17), from mm/filemap.c and mm/memory.c of 6.12',
  setup: `Under linux-6.18 ${WAITERS} CPUs fault on one page that takes ${IO_MS} ms to read, of a file (each through an area of its own) and of swap; what each further CPU adds to a run with one is counted.`,
  expected: `All ${WAITERS} wait. For each further waiter of the file at least 2 page locks (the wait, the retry) and 1 retry, and more where a retry finds the next waiter with the lock; of swap at most 1 lock (the retry, if nobody has filled the entry) and exactly 1 retry for each wait: a retry that finds the entry being filled waits again.`,
  cannotTell: 'What the convoy costs with hundreds of waiters on many cores.',
  decidedBy: 'counts',
  figures: {
    fileWaited: { name: 'file: locks dropped for the wait', unit: 'times' },
    fileLocks: { name: 'file: page locks taken for each further waiter', unit: 'locks' },
    fileRetries: { name: 'file: retries for each further waiter', unit: 'retries' },
    swapWaited: { name: 'swap: locks dropped for the wait', unit: 'times' },
    swapLocks: { name: 'swap: page locks taken for each further waiter', unit: 'locks' },
    swapRetries: { name: 'swap: retries for each wait', unit: 'retries' },
  },
  async measure(runs) {
    const [file, swap] = [await perWaiter(runs, ofFile), await perWaiter(runs, ofSwap)];
    return {
      fileWaited: file.waited,
      fileLocks: file.locks,
      fileRetries: file.retries,
      swapWaited: swap.waited,
      swapLocks: swap.locks,
      swapRetries: swap.retriesPerWait,
    };
  },
  judge({ fileWaited, fileLocks, fileRetries, swapWaited, swapLocks, swapRetries }) {
    const everybody = fileWaited >= WAITERS && swapWaited >= WAITERS;
    const so = (met: boolean): boolean | undefined => (everybody ? met : undefined);
    return judgeAll([
      { what: `${WAITERS} CPUs dropped their locks ${said(fileWaited)} and ${said(swapWaited)} times`, met: everybody ? true : undefined },
      { what: `a waiter of the file takes ${said(fileLocks)} page locks`, met: so(fileLocks >= 2) },
      { what: `a waiter of swap takes ${said(swapLocks)}`, met: so(swapLocks <= 1) },
      {
        what: `${said(fileRetries)} retries for a waiter of the file, ${said(swapRetries)} for a wait for swap`,
        met: so(fileRetries >= 1 && swapRetries === 1),
      },
    ]);
  },
};

/**
 * Many CPUs wait for one locked page, all are served, and no wake-up is lost: CPU 0 unlocks the page when all others have come to wait for
 * it, having locked the other of two pages, for which they wait next. A lost wake-up would stop everything, and the gang would be late.
 */
import type { Pfn, Word } from '@faultlab/core/base/brand';
import { complete, complete_all, wait_for_completion } from '@faultlab/core/locking/completion';
import { atomic_fetch_add, atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { folio_lock, folio_unlock, folio_wait_locked } from '@faultlab/core/mm/folio_lock';
import type { Benchmark, Row } from '../../benchmark.ts';
import { runGang } from '../../gang.ts';
import type { Work, WorkContext } from '../../work.ts';
import { memoryWithFolios } from './throughput.ts';

/** Wake-ups after which a run ends, if its time does not end before. */
const WAKE_UPS = 1_000_000;
const WAITERS: readonly number[] = [1, 16, 64];
/** The last is the one with the target. */
const RUN_MS: readonly number[] = [2_000, 2_000, 60_000];

const PAGES: readonly [Pfn, Pfn] = [1 as Pfn, 2 as Pfn];
const page = (round: number): Pfn => PAGES[(round & 1) as 0 | 1];

/** Lines of the work's words. */
const LINE = 64;
const word = (base: Word, line: number): Word => (base + line * LINE) as Word;
const COME = 0;
const ALL_HAVE_COME = 1;
const START = 2;
const OVER = 3;

function unlockRoundAfterRound({ cpu, base, threads, until }: WorkContext): { operations: number; extra: number } {
  let longestMs = 0;
  folio_lock(cpu, page(0));
  complete_all(cpu, word(base, START));
  wait_for_completion(cpu, word(base, ALL_HAVE_COME));
  for (let round = 0; ; round++) {
    const since = performance.now();
    if (since >= until || (round + 1) * (threads - 1) >= WAKE_UPS) {
      atomic_set(cpu, word(base, OVER), 1); // Before the unlock. Pairs with: the look of those who are woken.
      folio_unlock(cpu, page(round));
      return { operations: round + 1, extra: longestMs };
    }
    folio_lock(cpu, page(round + 1));
    folio_unlock(cpu, page(round));
    wait_for_completion(cpu, word(base, ALL_HAVE_COME));
    longestMs = Math.max(longestMs, performance.now() - since);
  }
}

function waitRoundAfterRound({ cpu, base, threads }: WorkContext): { operations: number } {
  wait_for_completion(cpu, word(base, START));
  for (let round = 0; ; round++) {
    const before = atomic_fetch_add(cpu, word(base, COME), 1); // Alone: a number for everybody; the completion orders.
    if ((before + 1) % (threads - 1) === 0) complete(cpu, word(base, ALL_HAVE_COME));
    folio_wait_locked(cpu, page(round));
    if (atomic_read(cpu, word(base, OVER)) !== 0) return { operations: round + 1 }; // Pairs with: the store before the last unlock.
  }
}

export const folioBroadcastWorks: readonly Work[] = [
  { name: 'folio broadcast', run: (context) => (context.thread === 0 ? unlockRoundAfterRound(context) : waitRoundAfterRound(context)) },
];

async function measure(waiters: number, ms: number, target: boolean): Promise<Row> {
  const { replies, cpus } = await runGang('folio broadcast', waiters + 1, ms, memoryWithFolios(waiters + 1));
  const [unlocker, ...waiting] = replies;
  const rounds = unlocker?.operations ?? 0;
  const served = waiting.reduce((sum, reply) => sum + reply.operations, 0);
  if (waiting.some((reply) => reply.operations !== rounds)) throw new Error(`folio broadcast: ${served} served in ${rounds} rounds`);
  return {
    task: `${waiters} waiting on one folio`,
    value: served / (unlocker?.ms ?? Number.NaN),
    unit: 'wake-ups/ms',
    detail: `${rounds} rounds, ${served} served, none lost; longest round ${(unlocker?.extra ?? 0).toFixed(1)} ms, ${cpus.toFixed(2)} CPUs received`,
    ...(target ? { target: `>= ${WAKE_UPS.toLocaleString('en')} served`, met: served >= WAKE_UPS } : {}),
  };
}

export const folioBroadcast: Benchmark = {
  name: 'folio_lock/broadcast',
  question: 'are all who wait on one locked page served, and how fast?',
  run: async (smoke) => {
    if (smoke) return [await measure(4, 20, false)];
    const rows: Row[] = [];
    for (const [position, waiters] of WAITERS.entries()) {
      rows.push(await measure(waiters, RUN_MS[position] as number, position === WAITERS.length - 1));
    }
    return rows;
  },
};

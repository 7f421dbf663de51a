/** What the folio lock costs when nobody else wants it: by a task alone, and by a task that leaves it to an I/O which ends at once. */
import type { Pfn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { folio_end_read, folio_lock, folio_trylock, folio_unlock, folio_wait_locked, folioLockToIo } from '@faultlab/core/mm/folio_lock';
import type { Bench } from 'tinybench';
import { runningCpu } from '../../alone.ts';
import { timed } from '../../benchmark.ts';
import { memoryWithFolios } from './throughput.ts';

const PAIRS = 20_000;
const PAGE = 1 as Pfn;

export function addFolioLockLatency(bench: Bench, smoke: boolean): void {
  const pairs = smoke ? 100 : PAIRS;
  const cpu = runningCpu(memoryWithFolios(1), 0);
  bench.add('folio lock pair', () => timed(pairs, () => lockPairs(cpu, pairs)));
  bench.add('folio trylock pair', () => timed(pairs, () => tryPairs(cpu, pairs)));
  bench.add('folio lock, left to an I/O, end of a read', () => timed(pairs, () => readPairs(cpu, pairs)));
  bench.add('wait for a folio that is not locked', () => timed(pairs, () => waits(cpu, pairs)));
}

function lockPairs(cpu: Cpu, count: number): void {
  for (let i = 0; i < count; i++) {
    folio_lock(cpu, PAGE);
    folio_unlock(cpu, PAGE);
  }
}

function tryPairs(cpu: Cpu, count: number): void {
  for (let i = 0; i < count; i++) if (folio_trylock(cpu, PAGE)) folio_unlock(cpu, PAGE);
}

/** The reads fail, so that the next one may begin. */
function readPairs(cpu: Cpu, count: number): void {
  for (let i = 0; i < count; i++) {
    folio_lock(cpu, PAGE);
    folioLockToIo(cpu, PAGE);
    folio_end_read(cpu, PAGE, false);
  }
}

function waits(cpu: Cpu, count: number): void {
  for (let i = 0; i < count; i++) folio_wait_locked(cpu, PAGE);
}

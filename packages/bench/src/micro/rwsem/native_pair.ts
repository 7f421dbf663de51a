/**
 * Uncontended pairs against the C library of the same machine: both are measured in turns in one command, so that a noisy machine is
 * noisy for both. Without a C compiler there is no comparison, and that is said.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutex_lock, mutex_unlock } from '@faultlab/core/locking/mutex';
import type { Benchmark, Row } from '../../benchmark.ts';
import { runGang } from '../../gang.ts';
import type { Work, WorkContext } from '../../work.ts';
import { vmaReadPairs } from '../vma_lock/latency.ts';
import { areasOf, memoryWithAreas } from '../vma_lock/throughput.ts';
import { readPairs, writePairs } from './latency.ts';

type Pair = 'read' | 'vma' | 'write' | 'mutex';

const NAMES: Readonly<Record<Pair, string>> = {
  read: 'rwsem read pair',
  vma: 'VMA read pair',
  write: 'rwsem write pair',
  mutex: 'mutex pair',
};
/** At most so many times the native pair. */
const TARGETS: Readonly<Record<Pair, number>> = { read: 1.5, vma: 1.5, write: Number.POSITIVE_INFINITY, mutex: 2.5 };

const PAIRS = ['read', 'vma', 'write', 'mutex'] as const;
/** Pair of the C library that ours is compared with. */
const NATIVE: Readonly<Record<Pair, 'read' | 'write' | 'mutex'>> = { read: 'read', vma: 'read', write: 'write', mutex: 'mutex' };

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Pairs per batch, after which the clock is read. As in the C program, the median of the batches counts, so that a moment without a
 * processor does not. */
const BATCH = 20_000;
const SMOKE_BATCHES = 3;

const pairWork = (pair: Pair, run: (context: WorkContext, count: number) => void): Work => ({
  name: `alone: ${NAMES[pair]}`,
  run: (context) => {
    const taken: number[] = [];
    for (let before = performance.now(); before < context.until || taken.length < SMOKE_BATCHES; before = performance.now()) {
      run(context, BATCH);
      taken.push(((performance.now() - before) * 1e6) / BATCH);
    }
    return { operations: taken.length * BATCH, extra: median(taken) };
  },
});

export const pairWorks: readonly Work[] = [
  pairWork('read', ({ cpu, base }, count) => readPairs(cpu, base, count)),
  pairWork('vma', ({ cpu }, count) => vmaReadPairs(areasOf(cpu), count)),
  pairWork('write', ({ cpu, base }, count) => writePairs(cpu, base, count)),
  pairWork('mutex', ({ cpu, base }, count) => {
    for (let i = 0; i < count; i++) {
      mutex_lock(cpu, base);
      mutex_unlock(cpu, base);
    }
  }),
];

export const nativePair: Benchmark = {
  name: 'native_pair',
  question: 'what does an uncontended pair cost, compared with pthread?',
  run: async (smoke) => {
    const folder = mkdtempSync(join(tmpdir(), 'faultlab-bench-'));
    try {
      const native = compileNative(join(folder, 'pthread_locks'));
      const ours: Record<Pair, number[]> = { read: [], vma: [], write: [], mutex: [] };
      const theirs: Record<Pair, number[]> = { read: [], vma: [], write: [], mutex: [] };
      for (let round = 0; round < (smoke ? 1 : 5); round++) {
        const line = native?.(smoke ? 1000 : 200_000);
        for (const pair of PAIRS) {
          const { replies } = await runGang(`alone: ${NAMES[pair]}`, 1, smoke ? 5 : 300, pair === 'vma' ? memoryWithAreas(1) : undefined);
          ours[pair].push(...replies.map((reply) => reply.extra));
          if (line !== undefined) theirs[pair].push(line[NATIVE[pair]]);
        }
      }
      return PAIRS.flatMap((pair) => rowsOf(pair, median(ours[pair]), median(theirs[pair])));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

function rowsOf(pair: Pair, ours: number, theirs: number): Row[] {
  const mine: Row = { task: NAMES[pair], value: ours, unit: 'ns' };
  if (Number.isNaN(theirs)) return [{ ...mine, detail: 'no C compiler here (cc): not compared with pthread' }];
  const ratio = ours / theirs;
  const limit = TARGETS[pair];
  const compared: Row = { task: `${NAMES[pair]} / pthread`, value: ratio, unit: 'x', detail: `pthread ${theirs.toFixed(1)} ns` };
  return [mine, limit === Number.POSITIVE_INFINITY ? compared : { ...compared, target: `<= ${limit}`, met: ratio <= limit }];
}

/** Builds the C program. @returns a function that runs it, or undefined when there is no compiler */
function compileNative(output: string): ((rounds: number) => Record<'read' | 'write' | 'mutex', number>) | undefined {
  const source = fileURLToPath(new URL('../../../native/pthread_locks.c', import.meta.url));
  const built = spawnSync('cc', ['-O2', '-pthread', source, '-o', output], { encoding: 'utf8' });
  if (built.error !== undefined) return undefined;
  if (built.status !== 0) throw new Error(`cc could not build pthread_locks.c: ${built.stderr}`);
  return (rounds) =>
    JSON.parse(spawnSync(output, [String(rounds)], { encoding: 'utf8' }).stdout) as Record<'read' | 'write' | 'mutex', number>;
}

/** The folio lock under load: no increment under it is lost, and no waiter sleeps on. A lost wake-up ends the test by its deadline. */
import { assert, runThreads, suite } from '@faultlab/test-support';
import { folioMemory, problemAtRest } from './folio_lock_steps.ts';
import { COUNTERS_LINE, type TortureOrder, type TortureReport } from './folio_lock_torture.worker.ts';

const test = suite('mm/folio_lock, many threads');

const DEADLINE_MS = 20_000;

async function run(
  kind: TortureOrder['kind'],
  threads: number,
  rounds: number,
): Promise<{ done: number[]; killed: number; counted: number[] }> {
  const memory = folioMemory(threads);
  const reports = await runThreads<TortureReport, TortureOrder>({
    module: new URL('./folio_lock_torture.worker.js', import.meta.url),
    count: threads,
    data: (cpu) => ({ handle: memory.handle, cpu, threads, rounds, kind }),
    deadlineMs: DEADLINE_MS,
  });
  assert.is(problemAtRest(memory), '');
  const sum = (which: number): number => reports.reduce((total, { done }) => total + (done[which] ?? 0), 0);
  const counter = (which: number): number => memory.words[memory.userAt + (COUNTERS_LINE + which) * 16] as number;
  return {
    done: [sum(0), sum(1)],
    killed: reports.reduce((total, report) => total + report.killed, 0),
    counted: [counter(0), counter(1)],
  };
}

for (const [threads, rounds] of [
  [2, 20_000],
  [4, 8_000],
  [8, 3_000],
] as const) {
  test(
    `${threads} threads count under two folio locks that share a queue, with signals, I/O and writeback: nothing is lost (I20)`,
    async () => {
      const { done, counted } = await run('count', threads, rounds);
      assert.equal(counted, done);
      assert.ok((done[0] as number) > rounds / 8 && (done[1] as number) > rounds / 8, 'hardly any lock was taken');
    },
    { deadlineMs: DEADLINE_MS + 5_000 },
  );
}

test(
  '16 waiters on one folio are all served, round after round (L03)',
  async () => {
    const rounds = 1_500;
    const { done } = await run('broadcast', 17, rounds);
    assert.is(done[0], 17 * rounds);
  },
  { deadlineMs: DEADLINE_MS + 5_000 },
);

test.run();

/** Every lock excludes whom it must, on real threads; and the lock that is wrong is seen to be wrong by the same test. */
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import { assert, runThreads, suite } from '@faultlab/test-support';
import type { LockName } from './lock_kinds.ts';
import { DATA_LINE, LOCK_LINE, type ValidateOrder, type ValidateReport } from './validate.worker.ts';

interface Outcome {
  readonly broken: number;
  /** Increments of a plain counter under the write lock that are missing. */
  readonly lost: number;
  /** The words of the lock afterwards. */
  readonly lockWords: number[];
}

async function run(
  kind: LockName,
  threads: number,
  rounds: number,
  options: { plain?: boolean; spin?: boolean; writeOneIn?: number } = {},
): Promise<Outcome> {
  const memory = createMemory({ ...LOCKS_ONLY_SIZE, cpus: threads }, options.plain === true);
  const { spin = true, writeOneIn = 4 } = options;
  const reports = await runThreads<ValidateReport, ValidateOrder>({
    module: new URL('./validate.worker.js', import.meta.url),
    count: threads,
    data: (cpu) => ({ handle: memory.handle, cpu, threads, kind, rounds, writeOneIn, spin }),
  });
  const writes = reports.reduce((sum, report) => sum + report.writes, 0);
  const counter = memory.words[memory.userAt + DATA_LINE * 16 + 8] as number;
  const lock = memory.userAt + LOCK_LINE * 16;
  const outcome: Outcome = {
    broken: reports.reduce((sum, report) => sum + report.broken, 0),
    lost: writes - counter,
    lockWords: [...memory.words.subarray(lock, lock + 8)],
  };
  return outcome;
}

const test = suite('locks on real threads');

/** Word 1 of a semaphore keeps the last reader; it is a hint and may stay. */
function checkSound(outcome: Outcome): void {
  const [first, , ...rest] = outcome.lockWords;
  assert.equal({ broken: outcome.broken, lost: outcome.lost, first, rest }, { broken: 0, lost: 0, first: 0, rest: [0, 0, 0, 0, 0, 0] });
}

for (const kind of ['rwsem', 'mutex', 'spinlock'] as const) {
  for (const threads of [2, 4, 8]) {
    test(`${threads} threads on one ${kind} lose no update and see no half-done one`, async () => {
      checkSound(await run(kind, threads, Math.round(24_000 / threads)));
    });
  }
  test(`a ${kind} excludes without spinning`, async () => {
    checkSound(await run(kind, 3, 4_000, { spin: false }));
  });
  test(`a ${kind} excludes on plain Atomics`, async () => {
    checkSound(await run(kind, 3, 6_000, { plain: true }));
  });
}

test('writers alone exclude each other on a rwsem', async () => {
  checkSound(await run('rwsem', 4, 6_000, { writeOneIn: 1 }));
});

test('the lock that is wrong on purpose is caught by this very test', async () => {
  let caught = false;
  for (let attempt = 0; attempt < 6 && !caught; attempt++) {
    const outcome = await run('busted_lock', 4, 60_000);
    caught = outcome.lost > 0 || outcome.broken > 0;
  }
  assert.ok(caught, 'six runs of four threads found nothing wrong with busted_lock');
});

test.run();

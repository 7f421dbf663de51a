/** Faults against faults, writers and signals, on real threads, with the race forced into its window. Both designs of the VMA lock. */
import type { CpuId } from '@faultlab/core/base/brand';
import { NO_MM } from '@faultlab/core/base/brand';
import { PC_SIGPENDING, percpuBase } from '@faultlab/core/memory/percpu';
import { MADV_POPULATE_READ, PROT_READ } from '@faultlab/core/mm/mman';
import { SIGKILL, SIGUSR1 } from '@faultlab/core/sched/task';
import { assert, suite, type TestBody } from '@faultlab/test-support';
import { DESIGNS, FAR, map, oneArea, RW, readAfter, readAfterIn, WRITTEN, X } from '../fixtures/scene.ts';
import { STEERED, type Stage, steer } from '../fixtures/steer.ts';

const tests = suite('fault/fault_races');
const race = (name: string, body: TestBody): void => tests(name, body, STEERED);

/** 16 pages that nobody has touched: no anon_vma. */
const untouched = (stage: Stage): void => map(stage, X, 16);

for (const policy of DESIGNS) {
  const name = policy.vmaLock;

  race(`${name}: of two faults on one page one maps its frame and the other gives its frame back (R13)`, async () => {
    await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [
          ['stop', 'before_ptl'],
          ['write', X + 1, 20],
        ],
        [
          ['reached', 0],
          ['write', X + 1, 10],
          ['go', 0],
        ],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok'], ['ok']]);
        assert.is(steered.counted.pte_race_lost, 1);
        assert.is(steered.counted.anon_new_page, 1);
        assert.is(steered.counted.pgalloc - steered.counted.pgfree, 1);
        assert.is(readAfter(steered, X + 1), 20);
      },
    });
  });

  race(`${name}: a read that lost to a write sees what was written (R13)`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [
          ['stop', 'before_ptl'],
          ['read', X + 1],
        ],
        [
          ['reached', 0],
          ['write', X + 1, 10],
          ['go', 0],
        ],
      ],
    });
    assert.equal(results, [['10'], ['ok']]);
    assert.is(counted.pte_race_lost, 1);
    assert.is(counted.anon_zero_page, 0);
  });

  race(`${name}: a copy that lost to another copy gives its frame back (R13)`, async () => {
    let child = NO_MM;
    await steer({
      policy,
      setup: (stage) => {
        oneArea(stage);
        child = stage.fork();
      },
      threads: () => [
        [
          ['stop', 'before_wp_install'],
          ['write', X, 20],
        ],
        [
          ['reached', 0],
          ['write', X, 10],
          ['go', 0],
        ],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok'], ['ok']]);
        assert.is(steered.counted.pte_race_lost, 1);
        assert.is(steered.counted.wp_copy, 1);
        assert.is(readAfter(steered, X), 20);
        assert.is(readAfterIn(steered, child, X), WRITTEN);
      },
    });
  });

  race(
    `${name}: no anon_vma and a writer that waits for this fault: the fault gives way and starts over under mmap_lock (R11, R19)`,
    async () => {
      const { results, counted } = await steer({
        policy,
        setup: untouched,
        threads: () => [
          [
            ['stop', 'before_anon_vma_trylock'],
            ['write', X + 1, 20],
            ['read', X + 1],
          ],
          [
            ['reached', 0],
            ['mprotect', X, 4, PROT_READ],
            ['mprotect', X, 4, RW],
          ],
          [
            ['reached', 0],
            ['asleep', 1],
            ['go', 0],
          ],
        ],
      });
      assert.equal(results[1], ['ok', 'ok']);
      // What the fault finds under mmap_lock may be the area as it is between the two changes.
      assert.ok(['ok,20', 'SEGV_ACCERR,0'].includes((results[0] as string[]).join()), (results[0] as string[]).join());
      assert.is(counted.anon_vma_trylock_failed, 1);
      assert.is(counted.vma_lock_retry, 1);
      assert.ok(counted.mmap_attempts >= 1);
    },
  );

  race(`${name}: no anon_vma and a writer that only waits in the queue of mmap_lock: the trylock fails all the same`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: (stage) => {
        untouched(stage);
        map(stage, FAR, 4);
      },
      threads: () => [
        [
          ['stop', 'before_anon_vma_trylock'],
          ['write', X + 1, 20],
        ],
        // Holds mmap_lock for reading.
        [
          ['reached', 0],
          ['stop', 'before_ptl'],
          ['madvise', FAR, 1, MADV_POPULATE_READ],
        ],
        [
          ['reached', 1],
          ['mprotect', FAR + 2, 2, PROT_READ],
        ],
        [
          ['reached', 1],
          ['asleep', 2],
          ['go', 0],
          ['asleep', 0],
          ['go', 1],
        ],
      ],
    });
    assert.equal(results, [['ok'], ['ok'], ['ok'], []]);
    assert.is(counted.anon_vma_trylock_failed, 1);
    assert.is(counted.vma_lock_retry, 1);
    assert.is(counted.mmap_attempts, 1);
  });

  race(`${name}: a signal that is pending when a fault must start over is delivered, and the access goes on`, async () => {
    await steer({
      policy,
      setup: untouched,
      threads: () => [
        [
          ['stop', 'before_anon_vma_trylock'],
          ['write', X + 1, 20],
        ],
        [
          ['reached', 0],
          ['mprotect', X + 8, 4, PROT_READ],
        ],
        [
          ['reached', 0],
          ['asleep', 1],
          ['signal', 0, SIGUSR1],
          ['go', 0],
        ],
      ],
      after: ({ cpu, results, counted }) => {
        assert.equal(results, [['ok'], ['ok'], []]);
        assert.is(counted.faults_signal, 1);
        assert.is(cpu.words[percpuBase(cpu.memory.percpuAt, 0 as CpuId) + PC_SIGPENDING], 0, 'the signal is pending still');
      },
    });
  });

  for (const [signal, outcome] of [
    [SIGKILL, 'KILLED'],
    [SIGUSR1, '0'],
  ] as const) {
    race(`${name}: signal ${signal} during the wait for mmap_lock in a fault: ${outcome}`, async () => {
      const wakes = signal === SIGKILL;
      const { results, counted } = await steer({
        policy,
        setup: oneArea,
        threads: () => [
          [
            ['reached', 1],
            ['read', X + 1],
            ['raise', 0],
          ],
          [
            ['stop', 'before_ptl'],
            ['mprotect', X, 16, PROT_READ],
          ],
          [['reached', 1], ['asleep', 0], ['signal', 0, signal], ...(wakes ? ([['await', 0]] as const) : []), ['go', 1]],
        ],
      });
      assert.equal(results, [[outcome], ['ok'], []]);
      assert.is(counted.faults_signal, wakes ? 1 : 0);
    });
  }
}

tests.run();

/** System calls against faults on the same memory, on real threads, with the race forced into its window. Both designs of the VMA lock. */
import type { MmId } from '@faultlab/core/base/brand';
import { NO_MM } from '@faultlab/core/base/brand';
import { STEP_READ } from '@faultlab/core/memory/step_gate';
import { MADV_DONTNEED, MAP_GROWSDOWN } from '@faultlab/core/mm/mman';
import { assert, suite, type TestBody } from '@faultlab/test-support';
import { layoutText } from '../fixtures/layout.ts';
import { DESIGNS, FAR, map, oneArea, readAfter, readAfterIn, WRITTEN, X } from '../fixtures/scene.ts';
import { STEERED, steer } from '../fixtures/steer.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const tests = suite('syscalls/call_races');
const race = (name: string, body: TestBody): void => tests(name, body, STEERED);

const STACK = BASE + 0x1000;

for (const policy of DESIGNS) {
  const name = policy.vmaLock;

  race(`${name}: after its downgrade munmap keeps the page table that the neighbour's fault fills`, async () => {
    await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [
          ['reached', 1],
          ['write', X + 9, 30],
          ['read', X + 1],
          ['go', 1],
        ],
        [
          ['stop', 'between_downgrade_and_zap'],
          ['munmap', X, 8],
        ],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok', 'SEGV_MAPERR'], ['ok']]);
        assert.is(steered.counted.vma_lock_success, 1);
        assert.is(readAfter(steered, X + 9), 30);
      },
    });
  });

  race(`${name}: of two growths of a stack the second finds the first one's`, async () => {
    await steer({
      policy,
      setup: (stage) => map(stage, STACK, 4, MAP_GROWSDOWN),
      threads: () => [
        [
          ['stop', 'between_unlock_and_relock'],
          ['write', STACK - 5, 20],
        ],
        [
          ['reached', 0],
          ['write', STACK - 10, 30],
          ['go', 0],
        ],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok'], ['ok']]);
        assert.is(steered.counted.stack_expanded, 1);
        assert.is(layoutText(steered.cpu, steered.mm, STACK), '-10-4 rw-p');
        assert.is(readAfter(steered, STACK - 5), 20);
      },
    });
  });

  race(`${name}: a stack that is unmapped while the fault has no lock does not grow`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: (stage) => map(stage, STACK, 4, MAP_GROWSDOWN),
      threads: () => [
        [
          ['stop', 'between_unlock_and_relock'],
          ['write', STACK - 5, 20],
        ],
        [
          ['reached', 0],
          ['munmap', STACK, 4],
          ['go', 0],
        ],
      ],
    });
    assert.equal(results, [['SEGV_MAPERR'], ['ok']]);
    assert.is(counted.stack_expanded, 0);
  });

  race(`${name}: fork waits for a fault in the parent, and neither sees the other's later writes`, async () => {
    await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [
          ['stop', 'before_ptl'],
          ['write', X + 1, 20],
          ['await', 0],
          ['write', X + 1, 21],
          ['write', X, 22],
        ],
        [['reached', 0], ['fork'], ['raise', 0]],
        [
          ['reached', 0],
          ['asleep', 1],
          ['go', 0],
        ],
      ],
      after: (steered) => {
        assert.equal(steered.results, [['ok', 'ok', 'ok'], ['ok'], []]);
        assert.is(readAfter(steered, X + 1), 21);
        const child = steered.children[0] as MmId;
        assert.ok([0, 20].includes(readAfterIn(steered, child, X + 1) as number));
        assert.is(readAfterIn(steered, child, X), WRITTEN);
      },
    });
  });

  race(`${name}: a copy waits for a reader that still uses the old page, before that page can be anybody else's (flush)`, async () => {
    let child = NO_MM;
    await steer({
      policy,
      setup: (stage) => {
        oneArea(stage);
        child = stage.fork();
      },
      threads: ({ contentsWord }) => [
        [
          ['read', X],
          ['stop before', STEP_READ, contentsWord(X)],
          ['read', X],
        ],
        [
          ['reached', 0],
          ['write', X, 20],
        ],
        [
          ['reached', 0],
          ['asleep', 1],
          ['go', 0],
        ],
      ],
      after: (steered) => {
        assert.equal(steered.results, [[String(WRITTEN), String(WRITTEN)], ['ok'], []]);
        assert.is(readAfter(steered, X), 20);
        assert.is(readAfterIn(steered, child, X), WRITTEN);
      },
    });
  });

  race(`${name}: a fault on the new place of a move waits, and finds the page with its contents`, async () => {
    const { results } = await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [
          ['reached', 1],
          ['read', FAR],
          ['read', X],
        ],
        [
          ['stop', 'before_tlb_flush'],
          ['mremap', X, 4, FAR],
        ],
        [
          ['reached', 1],
          ['asleep', 0],
          ['go', 1],
        ],
      ],
    });
    assert.equal(results, [[String(WRITTEN), 'SEGV_MAPERR'], ['ok'], []]);
  });

  race(`${name}: who throws away a page that another CPU has taken out and not flushed yet does not see it afterwards`, async () => {
    const { results } = await steer({
      policy,
      setup: oneArea,
      threads: () => [
        [
          ['await', 0],
          ['stop', 'before_tlb_flush'],
          ['madvise', X, 1, MADV_DONTNEED],
        ],
        [
          ['read', X],
          ['raise', 0],
          ['reached', 0],
          ['madvise', X, 1, MADV_DONTNEED],
          ['read', X],
          ['go', 0],
        ],
      ],
    });
    assert.equal(results, [['ok'], [String(WRITTEN), 'ok', '0']]);
  });
}

tests.run();

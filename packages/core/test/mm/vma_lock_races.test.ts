/**
 * The per-VMA lock against writers, on real threads, with the race forced into its window: one test for each look that a reader takes again
 * (R1 to R8), and for whom a writer waits. Both designs.
 */
import type { Vpn } from '@faultlab/core/base/brand';
import { STEP_UPDATE } from '@faultlab/core/memory/step_gate';
import { MADV_DONTNEED, PROT_READ } from '@faultlab/core/mm/mman';
import { policyByName } from '@faultlab/core/policy/policies';
import { userWrite } from '@faultlab/core/user/access';
import { assert, suite, type TestBody } from '@faultlab/test-support';
import { DESIGNS, map, RW, X } from '../fixtures/scene.ts';
import { STEERED, type Stage, steer } from '../fixtures/steer.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const tests = suite('mm/vma_lock_races');
const race = (name: string, body: TestBody): void => tests(name, body, STEERED);

const REFCOUNT = policyByName('linux-6.18');
const Y = BASE + 0x400;

/** Two areas of 16 pages, each with one page written. */
function twoAreas(stage: Stage): void {
  for (const start of [X, Y]) {
    map(stage, start, 16);
    userWrite(stage.cpu, start as Vpn, start);
  }
}

for (const policy of DESIGNS) {
  race(`${policy.vmaLock}: an area that is unmapped between the walk and the pin is a miss, and then nothing (R3, R8, R1)`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: twoAreas,
      threads: () => [
        [
          ['stop', 'after_tree_walk'],
          ['read', X + 1],
        ],
        [
          ['reached', 0],
          ['munmap', X, 16],
          ['go', 0],
        ],
      ],
    });
    assert.equal(results, [['SEGV_MAPERR'], ['ok']]);
    assert.is(counted.vma_lock_miss, 1);
    assert.is(counted.vma_lock_abort, 1);
    assert.is(counted.vma_lock_success, 0);
  });

  race(`${policy.vmaLock}: an area that is replaced between the walk and the pin is found again`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: twoAreas,
      threads: () => [
        [
          ['stop', 'after_tree_walk'],
          ['read', X + 1],
        ],
        [
          ['reached', 0],
          ['mmap', X, 16, RW],
          ['go', 0],
        ],
      ],
    });
    assert.equal(results, [['0'], ['ok']]);
    assert.is(counted.vma_lock_success, 1);
  });

  race(`${policy.vmaLock}: an area that is write-locked at the first look sends the fault to mmap_lock (R2)`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: twoAreas,
      threads: () => [
        [
          ['reached', 1],
          ['read', X + 1],
        ],
        [
          ['stop', 'before_ptl'],
          ['mprotect', X, 16, PROT_READ],
        ],
        [
          ['reached', 1],
          ['asleep', 0],
          ['go', 1],
        ],
      ],
    });
    assert.equal(results, [['0'], ['ok'], []]);
    assert.is(counted.vma_lock_abort, 1);
    assert.is(counted.mmap_attempts, 1);
  });

  race(`${policy.vmaLock}: an area that is write-locked between the first look and the pin is let go again (R6)`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: twoAreas,
      threads: ({ readersWord }) => [
        [
          ['stop before', STEP_UPDATE, readersWord(X)],
          ['read', X + 1],
        ],
        [
          ['reached', 0],
          ['stop', 'before_ptl'],
          ['mprotect', X, 16, PROT_READ],
        ],
        [
          ['reached', 1],
          ['go', 0],
          ['asleep', 0],
          ['go', 1],
        ],
      ],
    });
    assert.equal(results, [['0'], ['ok'], []]);
    assert.is(counted.vma_lock_abort, 1);
    assert.is(counted.vma_lock_success, 0);
  });

  race(`${policy.vmaLock}: an area that was cut, and does not contain the page any more, is let go (R7)`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: twoAreas,
      threads: () => [
        [
          ['stop', 'after_tree_walk'],
          ['read', X + 2],
        ],
        [
          ['reached', 0],
          ['mprotect', X + 8, 8, PROT_READ],
          ['go', 0],
        ],
      ],
    });
    assert.equal(results, [['0'], ['ok']]);
    assert.is(counted.vma_lock_abort, 1, 'the old record is the upper part now');
    assert.is(counted.vma_lock_miss, 0);
  });

  race(`${policy.vmaLock}: a writer waits for the reader of its area, and for nobody else (L06)`, async () => {
    const { results, counted } = await steer({
      policy,
      setup: twoAreas,
      threads: () => [
        [
          ['stop', 'after_vma_lock'],
          ['read', X + 1],
        ],
        [
          ['reached', 0],
          ['mprotect', Y, 16, PROT_READ],
          ['raise', 0],
          ['mprotect', X, 16, PROT_READ],
        ],
        [
          ['await', 0],
          ['asleep', 1],
          ['go', 0],
        ],
      ],
    });
    assert.equal(results, [['0'], ['ok', 'ok'], []]);
    assert.is(counted.vma_write_waited, 1);
    assert.is(counted.vma_lock_success, 1);
  });

  race(`${policy.vmaLock}: munmap waits for a page being thrown away in its area`, async () => {
    const { results } = await steer({
      policy,
      setup: twoAreas,
      threads: () => [
        [
          ['stop', 'before_zap'],
          ['madvise', X, 4, MADV_DONTNEED],
        ],
        [
          ['reached', 0],
          ['munmap', X, 16],
        ],
        [
          ['reached', 0],
          ['asleep', 1],
          ['go', 0],
        ],
      ],
    });
    assert.equal(results, [['ok'], ['ok'], []]);
  });
}

race('refcount: a slot that another address space got between the walk and the pin is let go, safely (R5)', async () => {
  const { results, counted } = await steer({
    policy: REFCOUNT,
    setup: twoAreas,
    threads: ({ anotherSpace }) => [
      [
        ['stop', 'after_tree_walk'],
        ['read', X + 1],
      ],
      [
        ['reached', 0],
        ['munmap', X, 16],
        ['switch', anotherSpace()],
        ['mmap', X, 16, RW],
        ['go', 0],
      ],
    ],
  });
  assert.equal(results, [['SEGV_MAPERR'], ['ok', 'ok']]);
  assert.is(counted.vma_lock_abort, 1);
  assert.is(counted.vma_lock_miss, 0, 'the slot was attached again');
});

race('refcount: an address space that ends waits for the stranger that has pinned its area (R5)', async () => {
  const { results, counted } = await steer({
    policy: REFCOUNT,
    setup: twoAreas,
    threads: ({ spaceForThreads }) => {
      const other = spaceForThreads();
      return [
        [
          ['stop', 'after_tree_walk'],
          ['stop', 'after_pin'],
          ['read', X + 1],
        ],
        [
          ['reached', 0],
          ['munmap', X, 16],
          ['switch', other],
          ['mmap', X, 16, RW],
          ['go', 0],
          ['reached', 0],
          ['mmput', other],
        ],
        [
          ['asleep', 1],
          ['go', 0],
        ],
      ];
    },
  });
  assert.equal(results, [['SEGV_MAPERR'], ['ok', 'ok', 'ok'], []]);
  assert.is(counted.vma_lock_abort, 1);
});

tests.run();

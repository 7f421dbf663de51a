/**
 * Pages on the move against faults, fork, discarding, mprotect and mremap; and two CPUs that want one page of a device. On real threads, with the race
 * forced into its window. Both designs of the VMA lock.
 */
import type { MmId } from '@faultlab/core/base/brand';
import { MADV_DONTNEED, PROT_READ } from '@faultlab/core/mm/mman';
import { assert, suite, type TestBody } from '@faultlab/test-support';
import { DESIGNS, FAR, map, oneArea, readAfter, readAfterIn, WRITTEN, X } from '../fixtures/scene.ts';
import { STEERED, type Stage, type Steered, type Step, steer } from '../fixtures/steer.ts';

const tests = suite('fault/special_races');

/** CPU 0 moves page X and stands still when its entries are taken out and nothing is copied yet. */
const MOVES: readonly Step[] = [
  ['stop', 'after_migration_unmap'],
  ['move', X],
];

interface Race {
  readonly name: string;
  readonly setup?: (stage: Stage) => void;
  readonly threads: readonly (readonly Step[])[];
  /** What each call of each thread gives; several, where the race is left open. */
  readonly results: readonly (readonly (string | readonly string[])[])[];
  readonly after?: (steered: Steered) => void;
}

/** The results that were expected, with those that came in the place of alternatives. */
const expectedOf = (results: Race['results'], came: readonly (readonly string[])[]): string[][] =>
  results.map((ofThread, thread) =>
    ofThread.map((result, at) => {
      if (typeof result === 'string') return result;
      const one = came[thread]?.[at] ?? '';
      return result.includes(one) ? one : result.join(' or ');
    }),
  );

const child = ({ children }: Steered): MmId => children[0] as MmId;
const moved = ({ counted }: Steered): readonly number[] => [counted.pgmigrate_success, counted.pgmigrate_fail];

const RACES: readonly Race[] = [
  {
    name: 'a fault on a page that is being moved waits, and finds it in its new frame (row 38)',
    threads: [
      MOVES,
      [
        ['reached', 0],
        ['read', X],
      ],
      [
        ['asleep', 1],
        ['go', 0],
      ],
    ],
    results: [['ok'], [String(WRITTEN)], []],
    after: (steered) => {
      assert.is(steered.counted.migration_waits, 1);
      assert.equal(moved(steered), [1, 0]);
    },
  },
  {
    name: 'a write waits too, and is not lost (row 38)',
    threads: [
      MOVES,
      [
        ['reached', 0],
        ['write', X, 10],
      ],
      [
        ['asleep', 1],
        ['go', 0],
      ],
    ],
    results: [['ok'], ['ok'], []],
    after: (steered) => assert.is(readAfter(steered, X), 10),
  },
  {
    name: 'munmap waits for the fault that waits for a page (row 38: the lock is held)',
    threads: [
      MOVES,
      [
        ['reached', 0],
        ['read', X],
      ],
      [
        ['asleep', 1],
        ['munmap', X, 16],
      ],
      [
        ['asleep', 2],
        ['go', 0],
      ],
    ],
    // The fault ends, and gives its lock back, before the access is tried again: munmap may be in between.
    results: [['ok'], [[String(WRITTEN), 'SEGV_MAPERR']], ['ok'], []],
    after: (steered) => assert.is(steered.counted.vma_write_waited, 1),
  },
  {
    name: 'fork copies the entry of a page on its way, and both find it',
    threads: [MOVES, [['reached', 0], ['fork'], ['go', 0]]],
    results: [['ok'], ['ok']],
    after: (steered) => {
      assert.is(readAfter(steered, X), WRITTEN);
      assert.is(readAfterIn(steered, child(steered), X), WRITTEN);
      assert.equal(moved(steered), [1, 0]);
    },
  },
  {
    name: 'fork between two entries of a page: the child comes after its parent, so nothing is left behind',
    setup: (stage) => {
      oneArea(stage);
      stage.fork();
    },
    threads: [
      [
        ['stop', 'before_migration_entry'],
        ['stop', 'before_migration_entry'],
        ['move', X],
      ],
      [['reached', 0], ['go', 0], ['reached', 0], ['fork']],
      [
        ['asleep', 1],
        ['go', 0],
      ],
    ],
    results: [['ok'], ['ok'], []],
    after: (steered) => assert.is(readAfterIn(steered, child(steered), X), WRITTEN),
  },
  {
    name: 'a page that is discarded on its way is gone',
    threads: [
      MOVES,
      [
        ['reached', 0],
        ['madvise', X, 1, MADV_DONTNEED],
        ['read', X],
        ['go', 0],
      ],
    ],
    results: [['ok'], ['ok', '0']],
    after: (steered) => assert.is(readAfter(steered, X), 0),
  },
  {
    name: 'the area of a page on its way is unmapped, and with it the last anon_vma',
    threads: [
      MOVES,
      [
        ['reached', 0],
        ['munmap', X, 16],
        ['go', 0],
      ],
    ],
    results: [['ok'], ['ok']],
    after: (steered) => assert.is(readAfter(steered, X), 'fault'),
  },
  {
    name: 'a page that becomes read-only on its way arrives read-only',
    threads: [
      MOVES,
      [
        ['reached', 0],
        ['mprotect', X, 16, PROT_READ],
        ['go', 0],
        ['write', X, 9],
      ],
    ],
    results: [['ok'], ['ok', 'SEGV_ACCERR']],
    after: (steered) => assert.is(readAfter(steered, X), WRITTEN),
  },
  {
    name: 'an entry that is moved by mremap while its page is on the way is found at its new place',
    setup: (stage) => {
      oneArea(stage);
      map(stage, FAR, 1);
    },
    threads: [
      MOVES,
      [
        ['reached', 0],
        ['mremap', X, 1, FAR],
        ['go', 0],
      ],
    ],
    results: [['ok'], ['ok']],
    after: (steered) => assert.is(readAfter(steered, FAR), WRITTEN),
  },
  {
    name: 'two CPUs want one page of a device: one moves it, the other waits',
    threads: [
      [
        ['to device', X],
        ['raise', 0],
        ['stop', 'after_migration_unmap'],
        ['read', X],
      ],
      [
        ['await', 0],
        ['reached', 0],
        ['read', X],
      ],
      [
        ['await', 0],
        ['asleep', 1],
        ['go', 0],
      ],
    ],
    results: [['ok', String(WRITTEN)], [String(WRITTEN)], []],
    after: (steered) => {
      assert.equal(moved(steered), [2, 0]);
      assert.is(steered.counted.migration_waits, 1);
    },
  },
  {
    name: 'a CPU takes a page back while fork wants to copy it from a device',
    threads: [
      [
        ['exclusive', X],
        ['raise', 0],
      ],
      [['await', 0], ['fork']],
    ],
    results: [['ok'], ['ok']],
    after: (steered) => {
      assert.is(readAfter(steered, X), WRITTEN);
      assert.is(readAfterIn(steered, child(steered), X), WRITTEN);
    },
  },
];

const race = (name: string, body: TestBody): void => tests(name, body, STEERED);

for (const policy of DESIGNS) {
  for (const { name, setup, threads, results, after } of RACES) {
    race(`${policy.vmaLock}: ${name}`, async () => {
      const steered = await steer({ policy, setup: setup ?? oneArea, threads: () => threads, ...(after === undefined ? {} : { after }) });
      assert.equal(steered.results, expectedOf(results, steered.results));
    });
  }
}

tests.run();

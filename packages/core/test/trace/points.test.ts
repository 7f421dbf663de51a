/** The places where things may be made to go wrong are all there: every named point is passed somewhere, and there is one way to sleep. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { POINT_NAMES, type PointName } from '@faultlab/core/trace/points';
import { assert, suite } from '@faultlab/test-support';

const test = suite('points');
const SRC = fileURLToPath(new URL('../../src', import.meta.url));

const sources: readonly (readonly [file: string, text: string])[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => [file, readFileSync(join(SRC, file), 'utf8')]);

const filesWith = (wanted: RegExp): string[] => sources.filter(([, text]) => wanted.test(text)).map(([file]) => file);

test('every named point is passed somewhere', () => {
  const lost = POINT_NAMES.filter((name) => filesWith(new RegExp(`\\bat\\(\\w*[cC]pu, \\w*${name.toUpperCase()}\\)`)).length === 0);
  assert.equal(lost, []);
});

/** Where a mutant that is hard to find needs a delay. */
const YIELD_POINTS: Readonly<Record<string, readonly PointName[]>> = {
  'after the tree walk': ['after_tree_walk'],
  'after the pin, before the second look at the sequence': ['after_pin'],
  'after the lock, before its use': ['after_vma_lock'],
  'between the mmap lock for writing and each area': ['mmap_write_locked', 'before_vma_start_write'],
  'between exclusion and stamp': ['between_exclude_and_stamp'],
  'before the page-table lock': ['before_ptl'],
  'between look-up and folio lock': ['before_folio_lock'],
  'between drop and wait': ['after_lock_drop_for_io'],
  'between wake and retry': ['after_io_wait', 'between_drop_and_retry', 'before_mmap_retry'],
  'between put and wake': ['between_put_and_wake', 'between_unlock_and_wake'],
  'between freeze and dirty test': ['between_freeze_and_dirty_test'],
  'between downgrade and zap': ['between_downgrade_and_zap'],
};

for (const [place, names] of Object.entries(YIELD_POINTS)) {
  test(`there is a point ${place}`, () => {
    for (const name of names) assert.ok(POINT_NAMES.includes(name), name);
  });
}

test('only memory/park.ts lets a thread sleep, so that an injection meets every sleep', () => {
  assert.equal(filesWith(/\bAtomics\.wait(Async)?\(/), [join('memory', 'park.ts')]);
});

test('an undisturbed sleep is one that an injection has had its say about', () => {
  assert.equal(filesWith(/\bparkUndisturbed\(/).sort(), [join('memory', 'park.ts'), join('sched', 'task.ts')]);
});

test.run();

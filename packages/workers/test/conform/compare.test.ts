/** Each rule of the comparison: what counts, and what is left out under which reason. */
import { assert, suite } from '@faultlab/test-support';
import { compareOperation, NOISY, SET_UP, UNSTABLE } from '@faultlab/workers/conform/compare';
import { ADD_ORDER, compareEvents } from '@faultlab/workers/conform/compare_events';
import type { KernelRecord, ObservedKey } from '@faultlab/workers/conform/record';
import { touchRecord } from './fixtures.ts';

const test = suite('conform/compare');

const OTHER_LAYOUT = [{ start: 0, end: 4, prot: 'rw-p', pgoff: 0, of: 'anon', pages: '....' }];
/** Everything is different. */
const OTHER = touchRecord({ result: 'SEGV_MAPERR', minflt: 2, majflt: 1, vmas: OTHER_LAYOUT, events: ['mmap_lock_released read'] });

interface Case {
  readonly what: string;
  readonly recorded?: Partial<KernelRecord>;
  readonly got?: Partial<KernelRecord>;
  readonly setUp?: boolean;
  readonly differs: readonly ObservedKey[];
  readonly leftOut?: Readonly<Record<string, number>>;
}

function check({ what, recorded, got, setUp = false, differs, leftOut = {} }: Case): void {
  test(what, () => {
    const comparison = compareOperation(touchRecord(recorded), touchRecord(got), setUp);
    assert.equal(comparison.differs, differs);
    assert.equal(Object.fromEntries(comparison.leftOut), leftOut);
  });
}

check({ what: 'the same is the same, and nothing is left out', differs: [] });
check({ what: 'every key counts', got: OTHER, differs: ['result', 'minflt', 'majflt', 'vmas', 'events'] });
for (const key of ['result', 'minflt', 'majflt', 'vmas', 'events'] as const) {
  check({ what: `${key} alone makes a difference`, got: { [key]: OTHER[key] }, differs: [key] });
  check({
    what: `${key} does not count when it is unstable`,
    recorded: { unstable: [key] },
    got: { [key]: OTHER[key] },
    differs: [],
    leftOut: { [UNSTABLE]: 1 },
  });
}
check({
  what: 'of a noisy operation, result and layout count',
  recorded: { noisy: true },
  got: OTHER,
  differs: ['result', 'vmas'],
  leftOut: { [NOISY]: 3 },
});
check({
  what: 'of a set-up operation, result and layout count',
  setUp: true,
  got: OTHER,
  differs: ['result', 'vmas'],
  leftOut: { [SET_UP]: 3 },
});
check({
  what: 'each key is left out under one reason: unstable before noisy before set-up',
  recorded: { noisy: true, unstable: ['events'] },
  setUp: true,
  differs: [],
  leftOut: { [NOISY]: 2, [UNSTABLE]: 1 },
});
check({
  what: 'the order of the keys of an area does not count',
  got: { vmas: [{ pages: 'A...', of: 'anon', pgoff: 0, prot: 'rw-p', end: 4, start: 0 }] },
  differs: [],
});
check({
  what: 'sleeps that only the kernel had are left out, and counted as events',
  recorded: { events: ['page_fault_user page=0 error=write', 'sleep D', 'sleep S'] },
  differs: [],
  leftOut: { 'sleeps of the faulting thread': 2 },
});

const FAULT = 'mm_filemap_fault index=3';
const READ = 'block_bio_queue read';
const SLEEPS = 'sleeps of the faulting thread';
const REQUESTS = 'requests to the block device, merged or ordered otherwise';
const add = (index: number): string => `mm_filemap_add_to_page_cache index=${index} order=0`;

/** Undefined: different. */
function checkEvents(
  what: string,
  expected: readonly string[],
  got: readonly string[],
  leftOut: Readonly<Record<string, number>> | undefined,
): void {
  test(`events: ${what}`, () => {
    for (const [one, other] of [
      [expected, got],
      [got, expected],
    ] as const) {
      const verdict = compareEvents(one, other);
      assert.equal(verdict.same ? Object.fromEntries(verdict.leftOut) : undefined, leftOut);
    }
  });
}

checkEvents('what may be left out is kept when it is the same', [FAULT, READ, 'sleep D'], [FAULT, READ, 'sleep D'], {});
checkEvents('a sleep too many', [FAULT, 'sleep D', FAULT], [FAULT, FAULT], { [SLEEPS]: 1 });
checkEvents('a sleep elsewhere', ['sleep D', FAULT], [FAULT, 'sleep D'], { [SLEEPS]: 1 });
checkEvents('a sleep of the other thread', ['helper:sleep S', FAULT], [FAULT], { 'sleeps of the userfaultfd thread': 1 });
checkEvents('merged requests', [READ, READ, FAULT], [READ, FAULT], { [REQUESTS]: 2 });
checkEvents('requests and sleeps', [READ, 'sleep D', FAULT], [FAULT], { [SLEEPS]: 1, [REQUESTS]: 1 });
checkEvents('additions in another order', [add(0), add(1), add(2), FAULT], [add(2), add(1), add(0), FAULT], { [ADD_ORDER]: 2 });
checkEvents('additions in another order around a request', [add(0), READ, add(1)], [add(1), add(0), READ], {
  [REQUESTS]: 1,
  [ADD_ORDER]: 2,
});
checkEvents('an addition missing', [add(0), add(1)], [add(0)], undefined);
checkEvents('an addition on the other side of a fault', [add(0), FAULT, add(1)], [add(0), add(1), FAULT], undefined);
for (const kept of [
  FAULT,
  'page_fault_user page=3 error=read',
  'page_fault_kernel page=3 error=write',
  'mmap_lock_start_locking read',
  'mmap_lock_acquire_returned read ok',
  'mmap_lock_released read',
  'mm_filemap_map_pages index=0-15',
  'mm_filemap_delete_from_page_cache index=3 order=0',
  'helper:mmap_lock_released read',
]) {
  checkEvents(`${kept} is never left out`, ['sleep D', kept], ['sleep D'], undefined);
}
checkEvents('the order of what counts', ['mmap_lock_released read', FAULT], [FAULT, 'mmap_lock_released read'], undefined);

test.run();

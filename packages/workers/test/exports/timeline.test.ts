/** A trace as slices and wake-ups: of drawn events whatever must hold for any, and of told stories what they say. */
import type { TraceEntry } from '@faultlab/core/trace/trace_ring';
import { assert, suite } from '@faultlab/test-support';
import type { Slice } from '@faultlab/workers/exports/slice';
import { timelineOf } from '@faultlab/workers/exports/timeline';
import { nestedRows } from '@faultlab/workers/exports/tracks';
import fc from 'fast-check';
import { traces } from './run_fixture.ts';

const test = suite('exports/timeline');

type Told = readonly [atUs: number, name: string, args?: Readonly<Record<string, number>>];

const told = (...cpus: readonly (readonly Told[])[]): TraceEntry[][] =>
  cpus.map((events, cpu) => events.map(([timeUs, name, args = {}], place) => ({ cpu, sequence: place + 1, timeUs, name, args })));
const short = ({ cpu, kind, name, startUs, endUs, cut }: Slice): string =>
  `${cpu} ${kind} ${name} ${startUs}-${endUs}${cut === 'none' ? '' : ` ${cut}`}`;

test('slices lie within the trace, end after they begin, and nest in their rows', () => {
  fc.assert(
    fc.property(traces, (trace) => {
      const { slices, endUs } = timelineOf(trace);
      for (const { startUs, endUs: end } of slices) assert.ok(startUs >= 0 && startUs <= end && end <= endUs);
      const rows = nestedRows(slices);
      assert.is(rows.flat().length, slices.length);
      for (const row of rows) {
        row.forEach((one, place) => {
          for (const other of row.slice(place + 1))
            assert.ok(other.startUs >= one.endUs || other.endUs <= one.endUs, `${short(one)}, ${short(other)}`);
        });
      }
    }),
  );
});

test('a wake-up ends one sleep of the CPU that it names, no earlier than it was made', () => {
  fc.assert(
    fc.property(traces, (trace) => {
      const { wakes, slices } = timelineOf(trace);
      for (const { toCpu, wokenByUs, ranAtUs, slice } of wakes) {
        const sleep = slices[slice];
        assert.equal([sleep?.kind, sleep?.cpu, sleep?.endUs], ['sleep', toCpu, ranAtUs]);
        assert.ok(wokenByUs <= ranAtUs);
      }
      assert.is(new Set(wakes.map(({ slice }) => slice)).size, wakes.length);
    }),
  );
});

test('a fault that waits for its lock, sleeps, and is woken by the holder is told with all its parts', () => {
  const mm = { mm: 1, write: 0 };
  const trace = told(
    [
      [100, 'page_fault_user', { vpn: 7, error_code: 6 }],
      [110, 'mmap_lock_start_locking', mm],
      [200, 'sleep', { interruptible: 0, kind: 1, us: 80 }],
      [205, 'mmap_lock_acquire_returned', { ...mm, success: 1 }],
      [220, 'handle_mm_fault', { vpn: 7, flags: 0, result: 0 }],
      [222, 'mmap_lock_released', mm],
      [230, 'user_read', { vpn: 7, value: 1 }],
    ],
    [
      [190, 'mmap_lock_released', { mm: 1, write: 1 }],
      [195, 'sched_waking', { target_cpu: 0 }],
    ],
  );
  const { slices, wakes } = timelineOf(trace);
  assert.equal(slices.map(short), [
    '0 sleep rwsem (read) 20-100',
    '0 mmap_lock wait read 10-105',
    '0 mmap_lock hold read 105-122',
    '0 fault user fault 0-122',
    '1 mmap_lock hold write 90-90 start',
  ]);
  assert.equal(wakes, [{ fromCpu: 1, toCpu: 0, wokenByUs: 95, ranAtUs: 100, slice: 0 }]);
});

test('a write lock that becomes one for reading is two slices, and a lock that is still held is cut', () => {
  const trace = told([
    [0, 'mmap_lock_start_locking', { mm: 2, write: 1 }],
    [5, 'mmap_lock_acquire_returned', { mm: 2, write: 1, success: 1 }],
    [20, 'mmap_lock_acquire_returned', { mm: 2, write: 0, success: 1 }],
    [30, 'user_read', {}],
  ]);
  assert.equal(timelineOf(trace).slices.map(short), [
    '0 mmap_lock wait write 0-5',
    '0 mmap_lock hold write 5-20',
    '0 mmap_lock hold read 20-30 end',
  ]);
});

test('a wake-up before the sleep began, or of a CPU that did not sleep, has no arrow', () => {
  const trace = told(
    [
      [10, 'sched_waking', { target_cpu: 1 }],
      [500, 'sched_waking', { target_cpu: 2 }],
    ],
    [[400, 'sleep', { interruptible: 0, kind: 9, us: 100 }]],
    [[100, 'user_read', {}]],
  );
  assert.equal(timelineOf(trace).wakes, []);
});

test('times go on over the end of their 32 bits', () => {
  const end = 2 ** 32;
  const trace = told([
    [end - 10, 'vma_start_read', { vma: 1, vpn: 1, result: 0 }],
    [15, 'vma_end_read', { vma: 1 }],
  ]);
  assert.equal(timelineOf(trace).slices.map(short), ['0 vma lock read 0-25']);
});

test.run();

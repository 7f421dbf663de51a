/** Translation of page numbers: exact inside windows, in order everywhere, and refused when it cannot fit. */

import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { toModel, toTrace, windowsAround, windowsOf } from '@faultlab/workers/perf_script/address_windows';
import * as fc from 'fast-check';
import { TraceText } from './trace_text.ts';

const test = suite('address_windows');

const TRACE_PAGES = 2 ** 35;
const range = fc
  .record({
    base: fc.constantFrom(0, 0x400, 2 ** 20, 0x55560192b, 0x7f6bd4000, TRACE_PAGES - 2 ** 20),
    offset: fc.nat(2 ** 19),
    length: fc.integer({ min: 1, max: 2 ** 18 }),
  })
  .map(({ base, offset, length }) => ({ start: base + offset, end: base + offset + length }));

test('every page of a range goes to the model and back, distances and alignment stay, order stays', () => {
  return fc.assert(
    fc.property(fc.array(range, { minLength: 1, size: 'medium' }), (ranges) => {
      const windows = windowsAround(ranges);
      for (const { start, end } of ranges) {
        assert.is(toModel(windows, end - 1) - toModel(windows, start), end - 1 - start);
        assert.is(toTrace(windows, toModel(windows, start)), start);
        assert.is(toModel(windows, start) % 512, start % 512);
        assert.ok(toModel(windows, start) >= 16 && toModel(windows, end - 1) < 2 ** 31);
      }
      const pages = ranges.flatMap(({ start, end }) => [start - 1, start, end - 1, end, end + 2 ** 24]).sort((a, b) => a - b);
      for (let index = 1; index < pages.length; index++) {
        assert.ok(toModel(windows, pages[index] as number) >= toModel(windows, pages[index - 1] as number), 'order');
      }
    }),
    { numRuns: 300 },
  );
});

test('a gap of up to 64 Mi pages stays exactly, a wider one shrinks', () => {
  const close = windowsAround([
    { start: 0x1000, end: 0x1200 },
    { start: 0x1200 + 2 ** 26, end: 0x1400 + 2 ** 26 },
  ]);
  assert.is(close.pages.length, 1);
  const far = windowsAround([
    { start: 0x1000, end: 0x1200 },
    { start: 0x1400 + 2 ** 26, end: 0x1600 + 2 ** 26 },
  ]);
  assert.is(toModel(far, 0x1400 + 2 ** 26) - toModel(far, 0x1200 - 1), 2 ** 20 + 1);
  assert.ok(toModel(far, 2 ** 25) < toModel(far, 0x1400 + 2 ** 26));
});

test('gaps become narrower when that is needed to fit', () => {
  const spread = Array.from({ length: 500 }, (_, index) => ({ start: index * 2 ** 26, end: index * 2 ** 26 + 512 }));
  const windows = windowsAround(spread);
  assert.ok(toModel(windows, spread.at(-1)?.start ?? 0) < 2 ** 31);
});

test('what cannot fit is refused with a sentence', () => {
  assert.throws(
    () => windowsAround([{ start: 0, end: 2 ** 31 }]),
    (thrown: unknown) => thrown instanceof UsageError && /2147483648 pages in one address space/.test(thrown.message),
  );
});

test('a fork shares the windows of its parent, an exec has its own', () => {
  const trace = new TraceText().exec('5/5').mmap('5/5', 0x7f0000000000, 0x2000).fork('5/5', '6/6').fault('6/6', 0x7f0000001000);
  trace.exec('6/6').mmap('6/6', 0x10000, 0x1000).fault('6/6', 0x10000);
  const { windows, ofSpace } = windowsOf(trace.timeline());
  assert.equal([...ofSpace], [0, 0, 1]);
  assert.is(windows.length, 2);
});

test.run();

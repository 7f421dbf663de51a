/** The interval map against a plain map from page to value. */

import { assert, suite } from '@faultlab/test-support';
import { IntervalMap } from '@faultlab/workers/perf_script/interval_map';
import * as fc from 'fast-check';

const test = suite('interval_map');
const PAGES = 24;

const step = fc.record({
  what: fc.constantFrom('assign', 'erase', 'update', 'clone'),
  start: fc.nat(PAGES),
  length: fc.nat(10),
  value: fc.nat(2),
});

test('any sequence of changes gives what a map of single pages gives', () => {
  return fc.assert(
    fc.property(fc.array(step, { size: 'medium' }), (steps) => {
      let map = new IntervalMap();
      const plain = new Map<number, number>();
      for (const { what, start, length, value } of steps) {
        const end = start + length;
        if (what === 'assign') map.assign(start, end, value);
        if (what === 'erase') map.erase(start, end);
        if (what === 'update') map.update(start, end, (old) => old + value);
        if (what === 'clone') map = map.clone();
        for (let page = start; page < end; page++) {
          if (what === 'assign') plain.set(page, value);
          if (what === 'erase') plain.delete(page);
          if (what === 'update' && plain.has(page)) plain.set(page, (plain.get(page) as number) + value);
        }
      }
      const pages = Array.from({ length: PAGES + 12 }, (_, page) => page);
      assert.equal(
        pages.map((page) => map.get(page)),
        pages.map((page) => plain.get(page)),
      );
      assert.equal(
        pages.map((page) => map.firstFrom(page)),
        pages.map((page) => Math.min(...[...plain.keys()].filter((other) => other >= page))),
      );
      let last = -1;
      for (const [start, end] of map.entries()) {
        assert.ok(start >= last && end > start);
        last = end;
      }
    }),
    { numRuns: 1000 },
  );
});

test('neighbours with the same value become one', () => {
  const map = new IntervalMap();
  map.assign(0, 2, 7);
  map.assign(4, 6, 7);
  map.assign(2, 4, 7);
  assert.equal([...map.entries()], [[0, 6, 7]]);
});

test.run();

/**
 * Programs as data: stamps, draws, logs and latency buckets keep their promises for any input.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { assert, suite } from '@faultlab/test-support';
import { scenarios } from '@faultlab/workers';
import { arenaMap, withHarnessWords } from '@faultlab/workers/arena_map';
import { OpSource } from '@faultlab/workers/program/draw_op';
import { bucketNs, bucketOf } from '@faultlab/workers/program/latency';
import {
  backingAt,
  backingFile,
  backingPage,
  describeOp,
  isTouch,
  isWrite,
  OP_NAMES,
  type Op,
  op,
  opKind,
} from '@faultlab/workers/program/op';
import { describeLoggedOp, OpLog, readOpLog } from '@faultlab/workers/program/op_log';
import { OutcomeCounts, sumOutcomes } from '@faultlab/workers/program/outcome_counts';
import type { DrawRule, FileUse, Program, Region } from '@faultlab/workers/program/program';
import { StampSource, stampFits } from '@faultlab/workers/program/stamp';
import * as fc from 'fast-check';

const test = suite('program data');
const region: Region = {
  name: 'r',
  start: 500,
  pages: 64,
  initial: 3,
  layout: 'mine',
  discards: 'mine',
  writes: { step: 4, offset: 3 },
};

/** The first operations that rules give. */
function draw(rules: readonly DrawRule[], seed: number, cpu = 0, count = 300): Op[] {
  const program: Program = { regions: [region], body: { draw: rules } };
  const source = new OpSource(rules, program, seed, cpu, 4);
  return Array.from({ length: count }, () => {
    const drawn = op('nop');
    source.draw(drawn);
    return drawn;
  });
}

test('a stamp fits its page, is never zero, and differs from its neighbours', async () => {
  const property = fc.property(fc.nat(2 ** 31 - 1), fc.nat(600), (page, cpu) => {
    const source = new StampSource(cpu);
    const [one, other] = [source.next(page), source.next(page)];
    return one !== 0 && one !== other && stampFits(one, page) && stampFits(other, page);
  });
  await fc.assert(property, { numRuns: 300 });
});

test('a latency is in a bucket of its own size', async () => {
  const property = fc.property(fc.double({ min: 0, max: 2 ** 36, noNaN: true }), (ns) => {
    const middle = bucketNs(bucketOf(ns));
    return Math.abs(middle - ns) <= Math.max(1, ns * 0.033);
  });
  await fc.assert(property, { numRuns: 1000 });
});

test('longer latencies are never in an earlier bucket', async () => {
  const property = fc.property(fc.nat(2 ** 31 - 1), fc.nat(2 ** 20), (ns, more) => bucketOf(ns) <= bucketOf(ns + more));
  await fc.assert(property, { numRuns: 1000 });
});

test('the same seed and CPU draw the same operations, another CPU others', () => {
  const rules: readonly DrawRule[] = [
    { op: 'read', region: 0, weight: 3 },
    { op: 'mprotect', region: 0, weight: 1, pages: [1, 9], choices: [1, 3] },
  ];
  assert.equal(draw(rules, 5), draw(rules, 5));
  assert.not.equal(draw(rules, 5, 0), draw(rules, 5, 1));
  assert.not.equal(draw(rules, 5), draw(rules, 6));
});

test('drawn operations on files stay inside the file, and writes on the pages of their CPU', () => {
  const file: FileUse = { name: 'f', pages: 32, initial: 'token', writes: { step: 4, offset: 3 }, discards: 'shared' };
  const rules: readonly DrawRule[] = [
    { op: 'fread', file: 0, weight: 1 },
    { op: 'fwrite', file: 0, weight: 1 },
    { op: 'truncate', file: 0, weight: 1, pages: [0, 32] },
    { op: 'punch', file: 0, weight: 1, pages: [1, 8] },
  ];
  const source = new OpSource(rules, { regions: [], files: [file], body: { draw: rules } }, 3, 0, 4);
  for (let round = 0; round < 400; round++) {
    const drawn = op('nop');
    source.draw(drawn);
    const { kind, a, b, c } = drawn;
    assert.is(a, 0);
    if (kind === opKind('fwrite')) assert.is(b % 4, 3);
    if (kind === opKind('truncate')) assert.ok(b >= 0 && b <= 32);
    else assert.ok(b >= 0 && b < 32);
    if (kind === opKind('punch')) assert.ok(c >= 1 && b + c <= 32);
  }
});

test('signals and children are for CPUs that run programs', () => {
  const rules: readonly DrawRule[] = [
    { op: 'signal', weight: 1, choices: [9] },
    { op: 'fork_give', weight: 1 },
  ];
  const targets = new Set(draw(rules, 8).map(({ a }) => a));
  assert.equal([...targets].sort(), [0, 1, 2, 3]);
});

test('the fifth number of mmap names a file and a page, and is told as both', () => {
  const number = backingAt({ file: 5, offset: 100, shared: true }, 7);
  assert.equal([backingFile(number), backingPage(number)], [5, 107]);
  assert.is(describeOp(op('mmap', 1, 2, 3, 4, number)), 'mmap at=1 pages=2 prot=3 flags=4 file=5 page=107');
  assert.is(describeOp(op('mmap', 1, 2, 3, 4, backingAt(undefined, 7))), 'mmap at=1 pages=2 prot=3 flags=4');
});

test('drawn operations stay inside their region, and writes on the pages of their CPU', async () => {
  const rule = fc.record({
    op: fc.constantFrom('read', 'write', 'munmap', 'mmap', 'mprotect', 'madvise', 'mremap', 'kernel_write', 'mlock'),
    region: fc.constant(0),
    weight: fc.integer({ min: 1, max: 9 }),
    pages: fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 8, max: 32 })),
    choices: fc.constant([1, 3]),
  });
  const inside = (at: number, pages: number): boolean => at >= region.start && pages > 0 && at + pages <= region.start + region.pages;
  const property = fc.property(fc.array(rule, { minLength: 1, size: 'medium' }), fc.nat(), (rules, seed) => {
    for (const drawn of draw(rules as DrawRule[], seed, 0, 40)) {
      if (isWrite(drawn.kind)) assert.is((drawn.a - region.start) % 4, 3);
      assert.ok(inside(drawn.a, isTouch(drawn.kind) ? 1 : drawn.b), describeOp(drawn));
      if (drawn.kind === opKind('mremap')) {
        assert.ok(inside(drawn.e, drawn.c), describeOp(drawn));
        assert.ok(drawn.e + drawn.c <= drawn.a || drawn.a + drawn.b <= drawn.e, describeOp(drawn));
      }
    }
  });
  await fc.assert(property, { numRuns: 200 });
});

for (const [what, rules] of [
  ['no weight', []],
  ['an unknown region', [{ op: 'read', region: 3, weight: 1 }]],
  ['a move of more than half of its region', [{ op: 'mremap', region: 0, weight: 1, pages: [1, 40] }]],
] as readonly (readonly [string, DrawRule[]])[]) {
  test(`rules with ${what} are refused`, () => {
    assert.throws(
      () => draw(rules, 1),
      (error: unknown) => error instanceof UsageError,
    );
  });
}

test('every kind of operation has a name and can be described', () => {
  OP_NAMES.forEach((name, kind) => {
    assert.is(opKind(name), kind);
    assert.ok(describeOp(op(name, 1, 2, 3, 4, 5)).startsWith(name));
  });
});

test('a log keeps the last operations and says which one has not ended', () => {
  const size = withHarnessWords({ ...DEFAULT_SIZE, cpus: 2 });
  const words = new Int32Array(size.userWords);
  const arena = arenaMap(size);
  const log = new OpLog(words, arena, 1);
  for (let index = 0; index < 100; index++) {
    log.begin(op('read', index));
    log.end(index % 2);
  }
  log.begin(op('munmap', 7, 3));
  const read = readOpLog(words, arena, 1);
  assert.is(read.length, 64);
  assert.equal(read.slice(-3).map(describeLoggedOp), ['read page=98 -> ok', 'read page=99 -> SEGV_MAPERR', 'munmap at=7 pages=3 (in it)']);
  assert.is(read.at(-1)?.index, 100);
  assert.equal(readOpLog(words, arena, 0), []);
});

test('outcomes add up', () => {
  const counts = new OutcomeCounts();
  counts.add(opKind('read'), 0);
  counts.add(opKind('read'), 1);
  counts.add(opKind('mmap'), 4096);
  counts.add(opKind('mmap'), -12);
  counts.add(opKind('kernel_read'), -14);
  const list = sumOutcomes([counts.list(), counts.list()]);
  assert.is(
    list.reduce((sum, { count }) => sum + count, 0),
    10,
  );
  assert.equal(
    list.find(({ result }) => result === -14),
    { kind: opKind('kernel_read'), result: -14, count: 2 },
  );
});

test('programs and layouts of all scenarios are plain data, the same every time', () => {
  for (const scenario of scenarios) {
    const shape = { cpus: 5, seed: 99, frames: 32_768 };
    const build = (): unknown => [scenario.setup(shape), Array.from({ length: 5 }, (_, cpu) => scenario.program(cpu, shape))];
    assert.equal(structuredClone(build()), build(), scenario.name);
  }
});

test.run();

/** What threads wait for: small traces, and random programs whose threads run in random orders. */

import { assert, suite } from '@faultlab/test-support';
import { type Order, orderOf } from '@faultlab/workers/perf_script/order';
import { OpKind, type Timeline } from '@faultlab/workers/perf_script/timeline';
import * as fc from 'fast-check';
import { generateTrace } from './generated_trace.ts';
import { LayoutOracle } from './layout_oracle.ts';
import { randomFrom, replayInRandomOrder } from './random_replay.ts';
import { TraceText } from './trace_text.ts';

const test = suite('order');

const X = 0x7f0000000000;
const FAR = X + 0x1000000;

/** Waits as "tid.seq after tid:count". */
function waitsOf({ threads }: Timeline, { waits }: Order): string[] {
  return threads.flatMap(({ tid, ops }, thread) => {
    const own = waits[thread] as Order['waits'][number];
    return Array.from(ops, (_, seq) => {
      const range = Array.from(
        { length: (own.start[seq + 1] as number) - (own.start[seq] as number) },
        (_, index) => (own.start[seq] as number) + index,
      );
      return range.map((index) => `${tid}.${seq} after ${threads[own.thread[index] as number]?.tid}:${own.count[index]}`);
    }).flat();
  });
}

function check(trace: TraceText, expected: readonly string[]): void {
  const timeline = trace.timeline();
  assert.equal(waitsOf(timeline, orderOf(timeline)), expected);
}

/** Two threads, 5 and 6; thread 5 has done exec and clone, thread 6 nothing. */
const pair = (): TraceText => new TraceText().exec('5/5').fork('5/5', '5/6');
const munmap = (trace: TraceText, task: string, addr: number, len: number): TraceText =>
  trace.enter(task, 'munmap', { addr, len }).leave(task, 'munmap', 0);

test('a thread waits for the one that made it', () => {
  check(pair().fault('5/6', X), ['6.0 after 5:2']);
});

test('a fault waits for the mmap that made its area, once', () => {
  check(
    pair()
      .mmap('5/5', X, 0x2000)
      .fault('5/6', X)
      .fault('5/6', X + 0x1000),
    ['6.0 after 5:3'],
  );
});

test('a fault elsewhere does not wait for an mmap', () => {
  check(
    pair()
      .mmap('5/5', FAR, 0x1000)
      .fault('5/6', FAR)
      .mmap('5/5', X, 0x1000)
      .fault('5/6', FAR + 0x100),
    ['6.0 after 5:3'],
  );
});

test('a munmap waits for faults of other threads on its pages, and only for those', () => {
  const trace = pair()
    .mmap('5/5', X, 0x4000)
    .fault('5/6', X)
    .fault('5/6', X + 0x1000)
    .fault('5/6', X + 0x2000);
  check(munmap(trace, '5/5', X, 0x2000), ['5.3 after 6:2', '6.0 after 5:3']);
});

test('what a change has waited for is not waited for again', () => {
  const trace = pair()
    .mmap('5/5', X, 0x4000)
    .fault('5/6', X)
    .fault('5/6', X + 0x1000);
  munmap(trace, '5/5', X + 0x1000, 0x1000);
  check(munmap(trace, '5/5', X, 0x1000), ['5.3 after 6:2', '6.0 after 5:3']);
});

test('changes of one address space wait for each other in turn', () => {
  const trace = pair()
    .mmap('5/5', X, 0x1000)
    .mmap('5/6', FAR, 0x1000)
    .mmap('5/5', X + 0x2000, 0x1000);
  check(trace, ['5.3 after 6:1', '6.0 after 5:3']);
});

test('a munmap counts from its return, but an area of another thread in its place shows that it was over', () => {
  const late = pair().mmap('5/5', X, 0x1000).enter('5/5', 'munmap', { addr: X, len: 0x1000 }).fault('5/6', X).leave('5/5', 'munmap', 0);
  check(late, ['5.3 after 6:1', '6.0 after 5:3']);
  const early = pair()
    .mmap('5/5', X, 0x1000)
    .enter('5/5', 'munmap', { addr: X, len: 0x1000 })
    .mmap('5/6', X, 0x1000)
    .leave('5/5', 'munmap', 0);
  check(early, ['6.0 after 5:4']);
});

test('a fault that only a call in progress can serve comes after that call', () => {
  const trace = pair().mmap('5/5', X, 0x1000, 0).enter('5/5', 'mprotect', { start: X, len: 0x1000, prot: 3 }).fault('5/6', X);
  trace.area('5/5', { start: X, len: 0x1000 }).leave('5/5', 'mprotect', 0);
  check(trace, ['6.0 after 5:4']);
});

test('a fork waits for everything that other threads did in the address space', () => {
  const trace = pair().fault('5/6', X).fault('5/6', FAR).fork('5/5', '8/8').fault('5/6', X).fault('8/8', X);
  check(trace, ['5.2 after 6:2', '6.0 after 5:2', '6.2 after 5:3', '8.0 after 5:3']);
});

test('the end of a process waits for the ends of all its threads', () => {
  check(pair().fault('5/6', X).exit('5/6').exit('5/5'), ['5.2 after 6:2', '6.0 after 5:2']);
});

test('growth of a stack comes before faults on the new pages', () => {
  const trace = pair()
    .area('5/5', { start: X, len: 0x2000, name: '[stack]' })
    .fault('5/5', X - 0x1000)
    .area('5/5', { start: X - 0x1000, len: 0x3000, name: '[stack]' });
  trace.fault('5/6', X - 0x800);
  check(trace, ['6.0 after 5:4']);
});

test('a fault outside all areas is expected to fail, and so is one without the permission', () => {
  const timeline = new TraceText()
    .exec('5/5')
    .mmap('5/5', X, 0x1000, 1)
    .fault('5/5', X, 4)
    .fault('5/5', X, 7)
    .fault('5/5', FAR, 4)
    .timeline();
  assert.equal([...orderOf(timeline).effects.outcome], [0, 0, 0, 2, 1]);
});

/** Replays in `count` random orders. Returns what did not fit. */
function problemsOf(timeline: Timeline, order: Order, served: readonly boolean[], seed: number): string[] {
  const oracle = new LayoutOracle(timeline, { offsets: false });
  const faults = Array.from(timeline.ops.kind.keys()).filter((op) => timeline.ops.kind[op] === OpKind.fault);
  const expected = new Map(faults.map((op, index) => [op, served[index]]));
  const wrong: string[] = [];
  replayInRandomOrder(timeline, order, randomFrom(seed), (op) => {
    const result = oracle.run(op);
    if (expected.has(op) && expected.get(op) !== result) wrong.push(`fault ${op} is ${result ? '' : 'not '}served`);
  });
  return [...wrong, ...oracle.problems];
}

const choices = fc.array(fc.nat(100_000), { minLength: 20, maxLength: 600, size: 'max' });

test('random programs: in every order that the waits allow, each fault meets the areas that it met in truth', async () => {
  let waits = 0;
  await fc.assert(
    fc.property(choices, fc.nat(), (list, seed) => {
      const { trace, served } = generateTrace(list);
      const timeline = trace.timeline();
      const order = orderOf(timeline);
      waits += order.count;
      const outcomes = Array.from(timeline.ops.kind.keys()).filter((op) => timeline.ops.kind[op] === OpKind.fault);
      assert.equal(
        outcomes.map((op) => order.effects.outcome[op] === 0),
        served,
      );
      assert.equal(problemsOf(timeline, order, served, seed), []);
    }),
    { numRuns: 300 },
  );
  assert.ok(waits > 1000, 'the programs have too little to wait for');
});

test('random programs without their waits do go wrong', () => {
  let wrong = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const random = randomFrom(seed);
    const { trace, served } = generateTrace(Array.from({ length: 600 }, () => random(100_000)));
    const timeline = trace.timeline();
    const order = orderOf(timeline);
    const none: Order = {
      ...order,
      waits: order.waits.map(({ start }) => ({ start: new Uint32Array(start.length), thread: new Int32Array(), count: new Int32Array() })),
    };
    if (problemsOf(timeline, none, served, seed).length > 0) wrong++;
  }
  assert.ok(wrong > 20, `only ${wrong} of 30 went wrong`);
});

test('an area that does not follow from the calls is noticed', () => {
  const problems = (trace: TraceText): number => {
    const timeline = trace.timeline();
    const oracle = new LayoutOracle(timeline);
    orderOf(timeline).effects.order.forEach((op) => void oracle.run(op));
    return oracle.problems.length;
  };
  const mapped = (area: object): TraceText => {
    const trace = new TraceText().exec('5/5').mmap('5/5', X, 0x1000).enterMmap('5/5', { len: 0x1000 });
    return trace.area('5/5', { start: X, len: 0x2000, ...area }).leave('5/5', 'mmap', X + 0x1000);
  };
  assert.is(problems(mapped({})), 0);
  assert.is(problems(mapped({ len: 0x3000 })), 1);
  const grown = (len: number): TraceText => {
    const trace = new TraceText()
      .exec('5/5')
      .area('5/5', { start: X, len: 0x2000, name: '[stack]' })
      .fault('5/5', X - 0x2800);
    return trace.area('5/5', { start: X - 0x3000, len, name: '[stack]' }).fault('5/5', X - 0x1000);
  };
  assert.is(problems(grown(0x5000)), 0);
  assert.is(problems(grown(0x6000)), 1);
  assert.is(problems(mapped({ prot: 'r--p' })), 1);
  assert.is(problems(mapped({ start: X - 0x1000, len: 0x3000 })), 1);
  assert.is(problems(mapped({ pgoff: X + 0x5000 })), 1);
  assert.is(problems(mapped({ file: 'fe:00 1 0' })), 1);
});

test.run();

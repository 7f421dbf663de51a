/** Small traces: which operations their lines become. */

import { assert, suite } from '@faultlab/test-support';
import { type CallDetail, detailOf, OpKind, type Timeline } from '@faultlab/workers/perf_script/timeline';
import { TraceText } from './trace_text.ts';

const test = suite('build_timeline');

const NAMES = Object.keys(OpKind);

/** One word per operation: what, thread, address space. */
const shown = ({ ops, threads }: Timeline): string[] =>
  Array.from(ops.kind, (kind, op) => `${NAMES[kind]} ${threads[ops.thread[op] as number]?.tid} s${ops.space[op]}`);

function check(trace: TraceText, expected: readonly string[]): Timeline {
  const timeline = trace.timeline();
  assert.equal(shown(timeline), expected);
  timeline.threads.forEach(({ ops }, thread) => {
    for (const [seq, op] of ops.entries()) assert.equal([timeline.ops.thread[op], timeline.ops.seq[op]], [thread, seq]);
  });
  return timeline;
}

const callOf = (timeline: Timeline, op: number): CallDetail => detailOf(timeline, op) as CallDetail;

test('the lines of a call become one operation with its arguments, its result and its areas', () => {
  const trace = new TraceText().exec('5/5').enterMmap('5/5', { len: 0x1800 });
  trace.area('5/5', { start: 0x7000, len: 0x4000, file: 'fe:00 9 1', name: '/f', pgoff: 0x1000 }).leave('5/5', 'mmap', 0x9000);
  const timeline = check(trace, ['exec 5 s-1', 'mmap 5 s0']);
  const { args, result, records } = callOf(timeline, 1);
  assert.equal(args, { call: 'mmap', addr: 0, len: 0x1800, prot: 3, flags: 0x22, fd: -1, off: 0 });
  assert.is(result, 0x9000);
  assert.equal(records, [{ start: 0x7000, len: 0x4000, pgoff: 0x1000, prot: 'rw-p', file: 'fe:00:9:1', name: '/f' }]);
  assert.equal(timeline.files, [{ identity: 'fe:00:9:1', name: '/f', pages: 5 }]);
});

test('calls of two threads at the same time keep their own lines', () => {
  const trace = new TraceText().exec('5/5').fork('5/5', '5/6').enterMmap('5/5', { len: 0x1000 }).enterMmap('5/6', { len: 0x2000 });
  trace
    .area('5/6', { start: 0x20000, len: 0x2000 })
    .leave('5/6', 'mmap', 0x20000)
    .area('5/5', { start: 0x10000, len: 0x1000 })
    .leave('5/5', 'mmap', 0x10000);
  const timeline = check(trace, ['exec 5 s-1', 'clone 5 s0', 'mmap 5 s0', 'mmap 6 s0']);
  assert.equal(
    [2, 3].map((op) => [callOf(timeline, op).result, callOf(timeline, op).records[0]?.start]),
    [
      [0x10000, 0x10000],
      [0x20000, 0x20000],
    ],
  );
});

test('a call that failed has its errno', () => {
  const trace = new TraceText().exec('5/5').enter('5/5', 'munmap', { addr: 0x1001, len: 0x1000 }).leave('5/5', 'munmap', -22);
  assert.is(callOf(check(trace, ['exec 5 s-1', 'munmap 5 s0']), 1).result, -22);
});

test('areas without a call belong to the exec until the program runs, then to the kernel', () => {
  const trace = new TraceText()
    .exec('5/5')
    .area('5/5', { start: 0x7ffd00000000, len: 0x21000, name: '[stack]' })
    .area('5/5', { start: 0x400000, len: 0x1000 });
  trace
    .fault('5/5', 0x400000)
    .area('5/5', { start: 0x600000, len: 0x1000 })
    .area('5/5', { start: 0x7ffcffff0000, len: 0x31000, name: '[stack]' });
  const timeline = check(trace, ['exec 5 s-1', 'area 5 s0', 'area 5 s0', 'fault 5 s0', 'area 5 s0', 'area 5 s0']);
  assert.equal(
    [1, 2, 4, 5].map((op) => (detailOf(timeline, op) as { reason?: string }).reason),
    ['exec', 'exec', 'other', 'growth'],
  );
  assert.is(timeline.spaces[0]?.stackEnd, 0x7ffd00021000);
});

test('an area that starts at the page of the fault before it is the growth of that stack', () => {
  const trace = new TraceText().exec('5/5').area('5/5', { start: 0x7ffd00000000, len: 0x21000, name: '[stack]' });
  trace.fault('5/5', 0x7ffcffffe123).area('5/5', { start: 0x7ffcffffe000, len: 0x23000, name: '[stack]' });
  const timeline = check(trace, ['exec 5 s-1', 'area 5 s0', 'fault 5 s0']);
  assert.is(timeline.growth.get(2)?.len, 0x23000);
});

test('an exec begins an address space; a fork copies one, with its heap; a thread shares it', () => {
  const trace = new TraceText()
    .exec('5/5')
    .enter('5/5', 'brk', { brk: 0 })
    .leave('5/5', 'brk', 0x10000)
    .fork('5/5', '5/6')
    .fork('5/6', '7/7');
  trace.fault('7/7', 0x10000).exec('7/7').fault('7/7', 0x20000).exit('7/7').exit('5/5').exit('5/6');
  const timeline = check(trace, [
    'exec 5 s-1',
    'brk 5 s0',
    'clone 5 s0',
    'fork 6 s0',
    'fault 7 s1',
    'exec 7 s1',
    'fault 7 s2',
    'exit 7 s2',
    'exit 5 s0',
    'exit 6 s0',
  ]);
  assert.equal(
    timeline.spaces.map(({ origin, parent, start_brk }) => [origin, parent, start_brk]),
    [
      ['exec', -1, 0x10000],
      ['fork', 0, 0x10000],
      ['exec', -1, 0],
    ],
  );
  assert.equal(
    [7, 8, 9].map((op) => (detailOf(timeline, op) as { last?: boolean }).last),
    [true, false, true],
  );
  assert.equal(
    timeline.threads.map(({ creator }) => creator),
    [-1, 2, 3],
  );
  assert.is(timeline.summary.processes, 2);
});

test('the heap before each brk is known from the one before, or from the area of the first', () => {
  const brk = (trace: TraceText, to: number, areas: readonly number[] = []): TraceText => {
    trace.enter('5/5', 'brk', { brk: to });
    for (const start of areas) trace.area('5/5', { start, len: to - start, name: '[heap]' });
    return trace.leave('5/5', 'brk', to);
  };
  const trace = brk(brk(brk(new TraceText().exec('5/5'), 0x14000, [0x10000]), 0x18000, [0x10000]), 0x12000);
  const timeline = check(trace, ['exec 5 s-1', 'brk 5 s0', 'brk 5 s0', 'brk 5 s0']);
  assert.equal(
    [1, 2, 3].map((op) => callOf(timeline, op).brkBefore),
    [0x10000, 0x14000, 0x18000],
  );
  assert.is(timeline.spaces[0]?.start_brk, 0x10000);
});

test('areas reported before a program runs are there from the start, unless an exec replaces them', () => {
  const kernel = new TraceText().area('-1/0', { start: 0x1000, len: 0x1000 });
  check(kernel, []);
  const attached = new TraceText()
    .area('5/5', { start: 0x1000, len: 0x1000 })
    .area('5/5', { start: 0x3000, len: 0x1000 })
    .fault('5/6', 0x1000)
    .fault('5/5', 0x3000);
  const timeline = check(attached, ['area 6 s0', 'area 6 s0', 'fault 6 s0', 'fault 5 s0']);
  assert.equal((detailOf(timeline, 0) as { reason?: string }).reason, 'initial');
  assert.is(timeline.spaces[0]?.origin, 'initial');
  check(new TraceText().area('5/5', { start: 0x1000, len: 0x1000 }).exec('5/5').fault('5/5', 0x1000), ['exec 5 s-1', 'fault 5 s0']);
});

test('an exec ends the other threads of its process', () => {
  const trace = new TraceText().exec('5/5').fork('5/5', '5/6').exec('5/5').fork('5/5', '5/6').fault('5/6', 0x1000);
  check(trace, ['exec 5 s-1', 'clone 5 s0', 'exec 5 s0', 'clone 5 s1', 'fault 6 s1']);
});

test('a number of a thread may be used again after it ended', () => {
  const trace = new TraceText().exec('5/5').fork('5/5', '5/6').fault('5/6', 0x1000).exit('5/6').fork('5/5', '5/6').fault('5/6', 0x2000);
  assert.equal(
    check(trace, ['exec 5 s-1', 'clone 5 s0', 'fault 6 s0', 'exit 6 s0', 'clone 5 s0', 'fault 6 s0']).threads.map(({ tid }) => tid),
    [5, 6, 6],
  );
});

test('a call without its end and an end without its call are counted and left out', () => {
  const trace = new TraceText().leave('5/5', 'munmap', 0).exec('5/5').leave('5/5', 'munmap', 0);
  trace
    .enter('5/5', 'munmap', { addr: 0x1000, len: 0x1000 })
    .enter('5/5', 'munmap', { addr: 0x3000, len: 0x1000 })
    .leave('5/5', 'munmap', 0);
  trace.fault('5/5', 0x1000).enter('5/5', 'brk', { brk: 0 });
  const timeline = check(trace, ['exec 5 s-1', 'munmap 5 s0', 'fault 5 s0']);
  assert.is(timeline.summary.unpaired, 4);
  assert.equal(callOf(timeline, 1).args, { call: 'munmap', addr: 0x3000, len: 0x1000 });
});

test('the summary counts faults by kind, other events by name, and what was lost', () => {
  const trace = new TraceText().exec('5/5');
  for (const code of [4, 6, 7, 0x14, 5]) trace.fault('5/5', 0x1000, code);
  trace
    .line('5/5', 'sched:sched_switch: x')
    .line('5/5', 'sched:sched_switch: y')
    .line('5/5', 'PERF_RECORD_LOST lost 3')
    .line('5/5', 'PERF_RECORD_LOST lost 4');
  const { faults, ignored, lost, firstNs, lastNs } = trace.timeline().summary;
  assert.equal(faults, { total: 5, read: 2, write: 2, exec: 1, present: 2, absent: 3 });
  assert.equal(ignored, { 'sched:sched_switch': 2 });
  assert.is(lost, 7);
  assert.is(lastNs - firstNs, 9000);
});

test.run();

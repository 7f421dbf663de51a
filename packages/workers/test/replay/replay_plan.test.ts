/** What is worked out before a machine exists: calls in the model's pages, waits, CPUs, sizes. */

import { assert, suite } from '@faultlab/test-support';
import { orderOf } from '@faultlab/workers/perf_script/order';
import { OpKind } from '@faultlab/workers/perf_script/timeline';
import { assignCpus } from '@faultlab/workers/replay/assign_cpus';
import { planReplay, type ReplayPlan } from '@faultlab/workers/replay/replay_plan';
import type { Step } from '@faultlab/workers/replay/replay_program';
import { EINVAL, PAGE, type ProgramText, pair, program, READ, WRITE, X } from './program_text.ts';

const test = suite('replay plan');

const plan = (trace: ProgramText): ReplayPlan => planReplay(trace.timeline());

/** The step of the last operation of the first thread. */
function lastStep(trace: ProgramText): Step {
  const [first] = plan(trace).programs;
  return first?.steps.at(-1) as Step;
}

/** Waits of a thread as "seq after thread:count". */
function waitsOf({ programs }: ReplayPlan, thread: number): string[] {
  const { waits, kind } = programs[thread] as ReplayPlan['programs'][number];
  return Array.from(kind, (_, seq) =>
    Array.from(waits.thread.subarray(waits.start[seq], waits.start[seq + 1]), (other, index) => {
      const count = waits.count[(waits.start[seq] as number) + index];
      return `${seq} after ${other}:${count}`;
    }),
  ).flat();
}

test('an mmap whose place the kernel chose must find it free', () => {
  const step = lastStep(program().mmap('5/5', X, 4 * PAGE));
  assert.ok(step.do === 'call' && step.call === 'mmap');
  if (step.do !== 'call' || step.call !== 'mmap') return;
  assert.is(step.flags, 0x22 | 0x100000);
  assert.is(step.at, step.expected);
  assert.equal(step.areas, [{ start: step.at, end: step.at + 4, prot: 'rw-p', file: -1, pgoff: X / PAGE }]);
});

test('a fixed mmap keeps its flags, and flags that the model does not have are left out', () => {
  const trace = program()
    .enterMmap('5/5', { addr: X, len: PAGE, flags: 0x40832 })
    .area('5/5', { start: X, len: PAGE })
    .leave('5/5', 'mmap', X);
  const step = lastStep(trace);
  assert.ok(step.do === 'call' && step.call === 'mmap' && step.flags === 0x32);
});

test('lengths in bytes become whole pages', () => {
  const step = lastStep(
    program()
      .mmap('5/5', X, 4 * PAGE)
      .call('5/5', 'mprotect', { start: X + PAGE, len: PAGE + 1, prot: 1 }),
  );
  assert.ok(step.do === 'call' && step.call === 'mprotect' && step.pages === 2);
});

for (const [call, args] of [
  ['munmap', { addr: X + 1, len: PAGE }],
  ['mprotect', { start: X + 8, len: PAGE, prot: 1 }],
  ['madvise', { start: X + 8, len_in: PAGE, behavior: 4 }],
  ['mremap', { addr: X + 8, old_len: PAGE, new_len: PAGE, flags: 0, new_addr: 0 }],
  ['mmap', { addr: 0, len: PAGE, prot: 1, flags: 2, fd: 3, off: 100 }],
] as const) {
  test(`${call} of something that is not aligned is refused before the model sees it`, () => {
    const step = lastStep(program().call('5/5', call, args, EINVAL));
    assert.ok(step.do === 'call' && step.call === 'refused' && step.answer === EINVAL && step.expected === EINVAL);
  });
}

test('refusals that the model cannot know are not carried out', () => {
  const step = lastStep(program().call('5/5', 'mmap', { addr: 0, len: PAGE, prot: 3, flags: 0x22, fd: -1, off: 0 }, -12));
  assert.equal(step, { do: 'skip', why: 'mmap refused with ENOMEM, for a limit that the trace does not tell' });
});

test('the first write to an area keeps its place between changes, and later writes wait for it', () => {
  const trace = pair()
    .mmap('5/5', X, 4 * PAGE)
    .fault('5/6', X, WRITE)
    .mmap('5/5', X + 4 * PAGE, PAGE, 1)
    .fault('5/5', X + PAGE, WRITE)
    .fault('5/6', X + 2 * PAGE, WRITE);
  const made = plan(trace);
  // Thread 0: exec, three areas, clone, mmap (5), mmap (6), fault (7).
  assert.equal(waitsOf(made, 0), ['6 after 1:1']);
  assert.equal(waitsOf(made, 1), ['0 after 0:6']);
});

test('a write waits for the change that joined its area to one that had been written', () => {
  const trace = pair()
    .mmap('5/5', X, PAGE)
    .mmap('5/5', X + 2 * PAGE, PAGE)
    .fault('5/5', X, WRITE)
    .enterMmap('5/5', { len: PAGE })
    .area('5/5', { start: X, len: 3 * PAGE })
    .leave('5/5', 'mmap', X + PAGE)
    .fault('5/6', X + 2 * PAGE, WRITE);
  // Thread 0: exec, three areas, clone, mmap (5), mmap (6), fault (7), mmap (8).
  assert.is(waitsOf(plan(trace), 1).at(-1), '0 after 0:9');
});

test('operations that somebody waits for are marked', () => {
  const made = plan(pair().mmap('5/5', X, PAGE).fault('5/6', X));
  assert.equal(Array.from(made.programs[0]?.awaited ?? []), [0, 0, 0, 0, 0, 1]);
});

test('each thread has a CPU of its own while there are enough', () => {
  const timeline = pair().fault('5/6', X).timeline();
  assert.equal(assignCpus(timeline, orderOf(timeline)), [[0], [1]]);
});

test('threads that share a CPU live one after the other', () => {
  const trace = program();
  for (const child of ['7/7', '8/8', '9/9']) trace.fork('5/5', child).exit(child);
  trace.fork('5/5', '10/10').fork('5/5', '11/11').fault('11/11', 0x400000, READ).exit('10/10').exit('11/11').exit('5/5');
  const timeline = trace.timeline();
  const shared = assignCpus(timeline, orderOf(timeline), 2);
  assert.equal(shared, [[0], [1, 2, 3, 5], [4]]);
});

test('a machine has room for every space, file, page and area of the trace', () => {
  const trace = program().mmap('5/5', X, 1000 * PAGE);
  for (let page = 0; page < 1000; page++) trace.fault('5/5', X + page * PAGE);
  const { size, timeline } = plan(trace.fork('5/5', '7/7'));
  assert.ok(size.frames > 2000 && size.mms >= 2 && size.mappings >= 1);
  assert.is(timeline.ops.kind.filter((kind) => kind === OpKind.fault).length, 1000);
});

test.run();

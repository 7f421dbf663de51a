/** Small programs, one for each kind of operation, replayed on a machine; and traces that are wrong on purpose. */

import { assert, suite } from '@faultlab/test-support';
import { type ReplayOptions, type ReplayResult, replayTimeline, replayTrace } from '@faultlab/workers/replay/replay_trace';
import {
  EEXIST,
  EINVAL,
  ENOMEM,
  EXEC,
  HEAP,
  PAGE,
  type ProgramText,
  pair,
  program,
  READ,
  STACK,
  WRITE,
  WRITE_PRESENT,
  X,
} from './program_text.ts';

const test = suite('replay');

const run = (trace: ProgramText, options: ReplayOptions = {}): Promise<ReplayResult> =>
  replayTimeline(trace.timeline(), { name: 'test', ...options });

/** Everything has to go as in the trace. */
async function agrees(trace: ProgramText, options: ReplayOptions = {}): Promise<ReplayResult> {
  const result = await run(trace, { verify: true, ...options });
  assert.equal(result.differences, []);
  assert.equal(result.violations, []);
  assert.is(result.verdict, 'agrees', result.message);
  assert.is(result.faults.replayed, result.faults.total);
  assert.is(result.areas.agreeing, result.areas.total);
  return result;
}

/** Exactly these differences, as "operation: expected / got". */
async function differs(trace: ProgramText, expected: readonly string[]): Promise<ReplayResult> {
  const result = await run(trace);
  assert.equal(
    result.differences.map(({ operation, expected: wanted, got }) => `${operation}: ${wanted} / ${got}`),
    expected,
  );
  assert.is(result.verdict, 'differs', result.message);
  assert.equal(result.violations, []);
  return result;
}

const PROGRAMS: Readonly<Record<string, () => ProgramText>> = {
  'exec, faults of every kind, exit': () =>
    program()
      .fault('5/5', 0x401000, EXEC)
      .fault('5/5', 0x402000, READ)
      .fault('5/5', STACK - 8, WRITE)
      .mmap('5/5', X, 4 * PAGE)
      .fault('5/5', X, READ)
      .fault('5/5', X, WRITE_PRESENT)
      .fault('5/5', X + PAGE, WRITE)
      .exit('5/5'),
  'mmap next to an area merges with it': () =>
    program()
      .mmap('5/5', X + 4 * PAGE, 4 * PAGE)
      .fault('5/5', X + 4 * PAGE)
      .enterMmap('5/5', { len: 4 * PAGE })
      .area('5/5', { start: X, len: 8 * PAGE })
      .leave('5/5', 'mmap', X),
  'mprotect splits an area, and makes it one again': () =>
    program()
      .mmap('5/5', X, 8 * PAGE)
      .fault('5/5', X + 3 * PAGE)
      .mprotect('5/5', X + 2 * PAGE, 2 * PAGE, 1)
      .fault('5/5', X + 2 * PAGE, READ)
      .enter('5/5', 'mprotect', { start: X + 2 * PAGE, len: 2 * PAGE, prot: 3 })
      .area('5/5', { start: X, len: 8 * PAGE })
      .leave('5/5', 'mprotect', 0)
      .fault('5/5', X + 2 * PAGE, WRITE_PRESENT),
  'mprotect over two areas reports both, and the second report has them merged': () =>
    program()
      .mmap('5/5', X, 4 * PAGE)
      .mprotect('5/5', X, 2 * PAGE, 1)
      .enter('5/5', 'mprotect', { start: X, len: 4 * PAGE, prot: 5 })
      .area('5/5', { start: X, len: 2 * PAGE, prot: 'r-xp' })
      .area('5/5', { start: X, len: 4 * PAGE, prot: 'r-xp' })
      .leave('5/5', 'mprotect', 0),
  'munmap makes a hole that can be mapped again': () =>
    program()
      .mmap('5/5', X, 8 * PAGE)
      .fault('5/5', X + 3 * PAGE)
      .munmap('5/5', X + 2 * PAGE, 2 * PAGE)
      .mmap('5/5', X + 3 * PAGE, PAGE, 1)
      .fault('5/5', X + 3 * PAGE, READ),
  'madvise throws pages away, and what the model does not have is named': () =>
    program()
      .mmap('5/5', X, 4 * PAGE)
      .fault('5/5', X)
      .madvise('5/5', X, 4 * PAGE, 4)
      .fault('5/5', X)
      .madvise('5/5', X, 4 * PAGE, 3)
      .madvise('5/5', X, 4 * PAGE, 14),
  'mremap shrinks, grows and moves, with the pages': () =>
    program()
      .mmap('5/5', X, 8 * PAGE)
      .fault('5/5', X)
      .mremap('5/5', [X, 8 * PAGE, 4 * PAGE, 1, 0], X)
      .mremap('5/5', [X, 4 * PAGE, 6 * PAGE, 1, 0], X)
      .fault('5/5', X + 5 * PAGE)
      .mmap('5/5', X + 6 * PAGE, PAGE, 1)
      .mremap('5/5', [X, 6 * PAGE, 16 * PAGE, 1, 0], X + 0x100000)
      .fault('5/5', X + 0x100000 + 15 * PAGE)
      .mmap('5/5', X, 6 * PAGE, 5),
  'brk grows and shrinks the heap': () =>
    program()
      .call('5/5', 'brk', { brk: 0 }, HEAP)
      .brkTo('5/5', HEAP + 0x21000)
      .fault('5/5', HEAP + 0x20000)
      .call('5/5', 'brk', { brk: HEAP + 0x8001 }, HEAP + 0x8001)
      .brkTo('5/5', HEAP + 0x30000)
      .fault('5/5', HEAP + 0x20000)
      .call('5/5', 'brk', { brk: HEAP - PAGE }, HEAP + 0x30000),
  'a fault below the stack grows it, and so does the kernel': () =>
    program()
      .fault('5/5', STACK - 0x22000 + 8)
      .area('5/5', { start: STACK - 0x22000, len: 0x22000, pgoff: 0x7ffffffdd000, name: '[stack]' })
      .area('5/5', { start: STACK - 0x40000, len: 0x40000, pgoff: 0x7ffffffbf000, name: '[stack]' })
      .fault('5/5', STACK - 0x3f000),
  'shared memory has a file, and file areas their offset': () =>
    program()
      .enter('5/5', 'mmap', { addr: 0, len: 4 * PAGE, prot: 3, flags: 0x21, fd: 0xffffffff, off: 0 })
      .area('5/5', { start: X, len: 4 * PAGE, pgoff: 0, prot: 'rw-s', file: '00:01 99 0', name: '/dev/zero' })
      .leave('5/5', 'mmap', X)
      .fault('5/5', X + PAGE)
      .enter('5/5', 'mmap', { addr: 0, len: 4 * PAGE, prot: 3, flags: 2, fd: 3, off: 2 * PAGE })
      .area('5/5', { start: X + 0x100000, len: 4 * PAGE, pgoff: 2 * PAGE, prot: 'rw-p', file: 'fe:00 7 0', name: '/lib' })
      .leave('5/5', 'mmap', X + 0x100000)
      .call('5/5', 'mprotect', { start: X + 0x200000, len: 0, prot: 1 })
      .fault('5/5', X + 0x100000, READ)
      .fault('5/5', X + 0x101000, WRITE),
  'a kernel without a report of a file mapping': () =>
    program()
      .enter('5/5', 'mmap', { addr: 0, len: 4 * PAGE, prot: 1, flags: 2, fd: 3, off: PAGE })
      .leave('5/5', 'mmap', X)
      .fault('5/5', X + 3 * PAGE, READ),
  'calls that fail fail alike': () =>
    program()
      .mmap('5/5', X, 4 * PAGE)
      .munmap('5/5', X + 1, PAGE, EINVAL)
      .munmap('5/5', X, 0, EINVAL)
      .munmap('5/5', -4096, PAGE, EINVAL)
      .enterMmap('5/5', { addr: X, len: PAGE, flags: 0x100022 })
      .leave('5/5', 'mmap', EEXIST)
      .enterMmap('5/5', { len: 0 })
      .leave('5/5', 'mmap', EINVAL)
      .enterMmap('5/5', { len: 2 ** 47 })
      .leave('5/5', 'mmap', ENOMEM)
      .enter('5/5', 'mprotect', { start: X, len: 6 * PAGE, prot: 1 })
      .area('5/5', { start: X, len: 4 * PAGE, prot: 'r--p' })
      .leave('5/5', 'mprotect', ENOMEM)
      .madvise('5/5', X, 6 * PAGE, 4, ENOMEM)
      .mremap('5/5', [X + 0x100000, PAGE, 2 * PAGE, 1, 0], -14)
      .call('5/5', 'mmap', { addr: 0, len: PAGE, prot: 1, flags: 2, fd: 77, off: 0 }, -9),
  'fork copies the address space, and exec replaces the copy': () =>
    program()
      .mmap('5/5', X, 4 * PAGE)
      .fault('5/5', X)
      .fork('5/5', '7/7')
      .fault('5/5', X, WRITE_PRESENT)
      .fault('7/7', X, WRITE_PRESENT)
      .munmap('7/7', X, 2 * PAGE)
      .fault('5/5', X + PAGE)
      .start('7/7')
      .fault('7/7', 0x400000, READ)
      .exit('7/7')
      .fault('5/5', X + 2 * PAGE)
      .exit('5/5'),
  'a program that was there before the recording': () =>
    pair()
      .line('9/9', `PERF_RECORD_MMAP2 9/9: [0x${HEAP.toString(16)}(0x8000) @ 0x${HEAP.toString(16)} 00:00 0 0]: rw-p [heap]`)
      .fault('9/9', HEAP)
      .fault('5/6', STACK - 8),
};

for (const [name, trace] of Object.entries(PROGRAMS)) {
  test(name, async () => {
    await agrees(trace());
  });
}

test('threads share an address space, and each order that the trace implies is kept', async () => {
  const trace = pair();
  for (let round = 0; round < 40; round++) {
    const [maker, user] = round % 2 === 0 ? ['5/5', '5/6'] : ['5/6', '5/5'];
    trace
      .mmap(maker, X, 8 * PAGE)
      .fault(user, X + PAGE)
      .fault(maker, X + 2 * PAGE)
      .mprotect(user, X, 8 * PAGE, 1)
      .fault(maker, X + 3 * PAGE, READ)
      .munmap(user, X, 8 * PAGE);
  }
  const { trace: summary, ops } = await agrees(trace.exit('5/6').exit('5/5'));
  assert.is(summary.threads, 2);
  assert.is(ops.done, ops.total);
});

test('areas merge as in the trace although another thread is ahead', async () => {
  const trace = pair().fault('5/6', STACK - 8);
  for (let round = 0; round < 30; round++) {
    const base = X + round * 0x100000;
    trace
      .mmap('5/5', base, 4 * PAGE)
      .mmap('5/5', base + 8 * PAGE, 4 * PAGE)
      .fault('5/5', base)
      .fault('5/5', base + PAGE)
      .fault('5/5', base + 2 * PAGE)
      .enterMmap('5/5', { len: 4 * PAGE })
      .area('5/5', { start: base, len: 12 * PAGE })
      .leave('5/5', 'mmap', base + 4 * PAGE)
      .fault('5/6', base + 8 * PAGE);
  }
  await agrees(trace);
});

test('a touch of address 0 ends with a signal, and is no difference', async () => {
  const { faults, unexpected } = await agrees(
    program()
      .fault('5/5', 0, READ)
      .fault('5/5', STACK - 8),
  );
  assert.is(faults.refusedAsExpected, 1);
  assert.is(unexpected, 0);
});

test('faults are counted by kind and by the way they took', async () => {
  const { faults, latency, counters } = await agrees(
    program()
      .mmap('5/5', X, 4 * PAGE)
      .fault('5/5', X, READ)
      .fault('5/5', X, WRITE_PRESENT)
      .fault('5/5', X, WRITE)
      .fault('5/5', 0x400000, EXEC),
  );
  assert.equal(
    faults.rows.map(({ kind, present, count, byPath }) => [kind, present, count, byPath.none]),
    [
      ['read', false, 1, 0],
      ['write', false, 1, 1],
      ['write', true, 1, 0],
      ['exec', false, 1, 0],
    ],
  );
  assert.is(counters.pgfault, 3);
  assert.ok(latency.some(({ path, timed, p50, max }) => path === 'mmap' && timed === 1 && p50 > 0 && max >= p50));
});

test('what is not carried out is named', async () => {
  const { skipped } = await agrees(
    (PROGRAMS['madvise throws pages away, and what the model does not have is named'] as () => ProgramText)(),
  );
  assert.equal(skipped, { 'madvise with advice 3, which the model does not have': 1 });
});

test('an area that the kernel reported otherwise is the one difference', async () => {
  const trace = program()
    .enterMmap('5/5', { len: 4 * PAGE })
    .area('5/5', { start: X, len: 5 * PAGE })
    .leave('5/5', 'mmap', X)
    .fault('5/5', X);
  const { areas, unexpected } = await differs(trace, [
    'mmap(addr: 0, len: 0x4000, prot: 0x3, flags: 0x22, fd: -1, off: 0): [0x7f0000000000(0x5000)] rw-p / [0x7f0000000000(0x4000)] rw-p',
  ]);
  assert.is(areas.total - areas.agreeing, 1);
  assert.is(unexpected, 0);
});

test('a wrong offset in a file is a difference', async () => {
  const trace = program()
    .enter('5/5', 'mmap', { addr: 0, len: PAGE, prot: 1, flags: 2, fd: 3, off: PAGE })
    .area('5/5', { start: X, len: PAGE, pgoff: 2 * PAGE, prot: 'r--p', file: 'fe:00 7 0', name: '/lib' })
    .leave('5/5', 'mmap', X);
  await differs(trace, [
    'mmap(addr: 0, len: 0x1000, prot: 0x1, flags: 0x2, fd: 0x3, off: 0x1000): ' +
      '[0x7f0000000000(0x1000)] r--p /lib from 0x2000 / [0x7f0000000000(0x1000)] r--p /lib from 0x1000',
  ]);
});

test('a place that the kernel chose and the model has taken is a difference', async () => {
  const trace = program()
    .mmap('5/5', X, 4 * PAGE)
    .enterMmap('5/5', { len: 4 * PAGE })
    .leave('5/5', 'mmap', X + 2 * PAGE);
  const { unexpected } = await differs(trace, [
    'mmap(addr: 0, len: 0x4000, prot: 0x3, flags: 0x22, fd: -1, off: 0): 0x7f0000002000 / EEXIST',
  ]);
  assert.is(unexpected, 1);
});

test('a call that failed in the trace and works in the model is a difference', async () => {
  await differs(program().mmap('5/5', X, PAGE).munmap('5/5', X, PAGE, ENOMEM), ['munmap(addr: 0x7f0000000000, len: 0x1000): ENOMEM / 0']);
});

test('differences are counted beyond those that are described', async () => {
  const trace = program().mmap('5/5', X, 8 * PAGE);
  for (let page = 0; page < 8; page++) trace.madvise('5/5', X, PAGE, 4, EINVAL);
  const { differences, unexpected } = await run(trace, { show: 3 });
  assert.is(differences.length, 3);
  assert.is(unexpected, 8);
});

test('with recorded speed no operation starts early', async () => {
  const trace = program().mmap('5/5', X, 64 * PAGE);
  // The clock of the text ticks 1 us per line.
  for (let line = 0; line < 20_000; line++) trace.line('5/5', 'cycles: 1');
  trace.fault('5/5', X);
  const { wallMs, trace: summary } = await agrees(trace, { speed: 'recorded' });
  assert.ok(wallMs >= (summary.lastNs - summary.firstNs) / 1e6 - 1, `${wallMs} ms`);
});

test('a replay that is stopped says so, and is no difference', async () => {
  const trace = program().mmap('5/5', X, 64 * PAGE);
  for (let line = 0; line < 3000; line++) trace.fault('5/5', X + (line % 64) * PAGE);
  const { verdict, ops } = await run(trace, { signal: AbortSignal.abort() });
  assert.is(verdict, 'interrupted');
  assert.ok(ops.done < ops.total);
});

test('many short processes share CPUs', async () => {
  const trace = program();
  for (let child = 100; child < 200; child++) {
    const task = `${child}/${child}`;
    trace.fork('5/5', task).start(task).mmap(task, X, PAGE).fault(task, X).exit(task);
  }
  const { cpus, trace: summary } = await agrees(trace.exit('5/5'));
  assert.is(summary.threads, 101);
  assert.is(cpus, 2);
});

test('bytes can be replayed, under a name of their own', async () => {
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(program().fault('5/5', STACK - 8).text);
  };
  const { name, verdict } = await replayTrace(bytes(), { name: 'memory' });
  assert.equal([name, verdict], ['memory', 'agrees']);
});

test('a result is plain data', async () => {
  const result = await run(program());
  assert.equal(JSON.parse(JSON.stringify(result)), result);
});

test.run();

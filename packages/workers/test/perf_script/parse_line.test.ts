/** Single lines: what they become, what is refused and in which words, and that nothing else than a UsageError ever comes out. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { parseLine } from '@faultlab/workers/perf_script/parse_line';
import * as fc from 'fast-check';

const test = suite('parse_line');

const PLACE = { file: 'x.txt', line: 7 };
const HEAD = '            java 30656/30659 [001]  2447.053295081: ';
const head = { line: 7, comm: 'java', pid: 30656, tid: 30659, cpu: 1, timeNs: 2447053295081 };

/** The event of a body, without its head. */
function check(body: string, expected: object): void {
  assert.equal(parseLine(HEAD + body, PLACE), { ...head, ...expected });
}

function checkRefused(line: string, words: readonly string[]): void {
  try {
    parseLine(line, PLACE);
  } catch (thrown) {
    assert.instance(thrown, UsageError);
    const { message } = thrown as UsageError;
    for (const word of ['x.txt, line 7', ...words]) assert.ok(message.includes(word), `"${word}" is not in: ${message}`);
    return;
  }
  assert.unreachable(`was not refused: ${line}`);
}

test('a fault has an address, an instruction and an error code', () => {
  const expected = { kind: 'fault', address: 0x7f6bdc112b70, ip: 0x48d301, error_code: 0x14 };
  check(' exceptions:page_fault_user: address=0x7f6bdc112b70 ip=0x48d301 error_code=0x14', expected);
  check('exceptions:page_fault_user:u: address=0x7f6bdc112b70 ip=0x48d301 error_code=0x14', expected);
  check('  1 exceptions:page_fault_user: address=0x7f6bdc112b70 ip=0x48d301 error_code=0x14\r', expected);
});

test('an address above 2^53 keeps its page', () => {
  check('exceptions:page_fault_user: address=0xffffffffff600abc ip=0x1 error_code=0x5', {
    kind: 'fault',
    address: 2 ** 64 - 0xa00000,
    ip: 1,
    error_code: 5,
  });
});

test('the arguments of the six calls are read by their names', () => {
  const mmap = { call: 'mmap', addr: 0, len: 0x8cdb, prot: 1, flags: 2, fd: 3, off: 0 };
  check(
    'syscalls:sys_enter_mmap: addr: 0x00000000, len: 0x00008cdb, prot: 0x00000001, flags: 0x00000002, fd: 0x00000003, off: 0x00000000',
    { kind: 'enter', args: mmap },
  );
  check('syscalls:sys_enter_mmap: addr: 0x0, len: 0x1000, prot: 0x3, flags: 0x22, fd: 0xffffffff, off: 0x0', {
    kind: 'enter',
    args: { ...mmap, len: 4096, prot: 3, flags: 0x22, fd: -1 },
  });
  check('syscalls:sys_enter_mmap: addr: 0x0, len: 0x1000, prot: 0x3, flags: 0x22, fd: 0xffffffffffffffff, off: 0x0', {
    kind: 'enter',
    args: { ...mmap, len: 4096, prot: 3, flags: 0x22, fd: -1 },
  });
  check('syscalls:sys_enter_munmap: addr: 0x7f6bd2600000, len: 0x01a00000', {
    kind: 'enter',
    args: { call: 'munmap', addr: 0x7f6bd2600000, len: 0x1a00000 },
  });
  check('syscalls:sys_enter_mprotect: start: 0x539000, len: 0x3000, prot: 0x1', {
    kind: 'enter',
    args: { call: 'mprotect', start: 0x539000, len: 0x3000, prot: 1 },
  });
  check('syscalls:sys_enter_mremap: addr: 0x1000, old_len: 0x1000, new_len: 0x2000, flags: 0x1, new_addr: 0x0', {
    kind: 'enter',
    args: { call: 'mremap', addr: 4096, old_len: 4096, new_len: 8192, flags: 1, new_addr: 0 },
  });
  check('syscalls:sys_enter_madvise: start: 0x1000, len_in: 0xfa000, behavior: 0x4', {
    kind: 'enter',
    args: { call: 'madvise', start: 4096, len_in: 0xfa000, behavior: 4 },
  });
  check('syscalls:sys_enter_madvise: start: 0x1000, len: 0xfa000, behavior: 4', {
    kind: 'enter',
    args: { call: 'madvise', start: 4096, len_in: 0xfa000, behavior: 4 },
  });
  check('syscalls:sys_enter_brk: brk: 0x00000000', { kind: 'enter', args: { call: 'brk', brk: 0 } });
});

test('a result is an address, zero or a negative errno', () => {
  check('syscalls:sys_exit_mmap: 0x7f6bdc0ee000', { kind: 'leave', call: 'mmap', result: 0x7f6bdc0ee000 });
  check('syscalls:sys_exit_munmap: 0x0', { kind: 'leave', call: 'munmap', result: 0 });
  check('syscalls:sys_exit_mmap: 0xfffffffffffffff4', { kind: 'leave', call: 'mmap', result: -12 });
});

test('an area has a range, a protection and a file', () => {
  const owner = { pid: 30656, tid: 30659 };
  check('PERF_RECORD_MMAP2 30656/30659: [0x49c000(0x9d000) @ 0x9c000 fe:00 261033 42]: r--p /a file (deleted)', {
    kind: 'area',
    owner,
    area: { start: 0x49c000, len: 0x9d000, pgoff: 0x9c000, prot: 'r--p', file: 'fe:00:261033:42', name: '/a file (deleted)' },
  });
  check('PERF_RECORD_MMAP2 30656/30659: [0x7f0000(0x1000) @ 0 00:00 0 0]: rw-s /anon', {
    kind: 'area',
    owner,
    area: { start: 0x7f0000, len: 0x1000, pgoff: 0, prot: 'rw-s', file: '', name: '/anon' },
  });
  check('PERF_RECORD_MMAP2 30656/30659: [0x400000(0x1000) @ 0 <0123abcd>]: r-xp /tool', {
    kind: 'area',
    owner,
    area: { start: 0x400000, len: 0x1000, pgoff: 0, prot: 'r-xp', file: 'build:0123abcd', name: '/tool' },
  });
});

test('threads begin, get names, and end', () => {
  check('PERF_RECORD_FORK(30656:30660):(30656:30659)', {
    kind: 'fork',
    child: { pid: 30656, tid: 30660 },
    parent: { pid: 30656, tid: 30659 },
  });
  check('PERF_RECORD_EXIT(30656:30659):(1:1)', { kind: 'exit', task: { pid: 30656, tid: 30659 } });
  check('PERF_RECORD_COMM: GC Thread#0:30656/30659', { kind: 'comm', exec: false, name: 'GC Thread#0', task: { pid: 30656, tid: 30659 } });
  check('PERF_RECORD_COMM exec: a:b c:30656/30656', { kind: 'comm', exec: true, name: 'a:b c', task: { pid: 30656, tid: 30656 } });
});

test('lost events are counted in each of their spellings', () => {
  check('PERF_RECORD_LOST lost 12', { kind: 'lost', count: 12 });
  check('PERF_RECORD_LOST_SAMPLES lost 3', { kind: 'lost', count: 3 });
  assert.is((parseLine('CPU:0 [LOST 5 EVENTS]', PLACE) as { count?: number }).count, 5);
});

test('events of other kinds are named', () => {
  check('syscalls:sys_enter_clone3: uargs: 0x7ffd, size: 0x58', { kind: 'other', name: 'syscalls:sys_enter_clone3' });
  check('sched:sched_switch: a:1 [120] S ==> b:2 [120]', { kind: 'other', name: 'sched:sched_switch' });
  check('cycles: ', { kind: 'other', name: 'cycles' });
  check('PERF_RECORD_MMAP -1/0: [0xffffffff81000000(0x1) @ 0]: x [kernel.kallsyms]_text', { kind: 'other', name: 'PERF_RECORD_MMAP' });
});

test('the name of a thread may hold anything', () => {
  for (const comm of ['GC Thread#0', '<...>', 'a: b:c', 'kworker/0:1', 'w 1/2', '3/4', 'x [000]', '']) {
    const event = parseLine(`${comm.padStart(16)}    12/13    [004]     1.000002: PERF_RECORD_EXIT(12:13):(1:1)`, PLACE);
    assert.equal([event?.comm, event?.pid, event?.tid, event?.cpu, event?.timeNs], [comm, 12, 13, 4, 1_000_002_000], comm);
  }
});

test('the CPU may be missing, may have more digits, and blanks may surround the slash', () => {
  const line = (columns: string): unknown[] => {
    const event = parseLine(`java ${columns} 1.000000001: PERF_RECORD_EXIT(1:2):(1:1)`, PLACE);
    return [event?.comm, event?.tid, event?.cpu];
  };
  assert.equal(line('1/2'), ['java', 2, -1]);
  assert.equal(line('1/2 [12345]'), ['java', 2, 12345]);
  assert.equal(line('    1 / 2      [000]'), ['java', 2, 0]);
});

test('blank lines, comments and call chains carry no event', () => {
  for (const line of [
    '',
    '   ',
    '\r',
    '# captured on: x',
    '\t    7f1c8a4db020 malloc+0x10 (/usr/lib/libc.so.6)',
    '        ffffffff81000000 [unknown] ([kernel.kallsyms])',
  ]) {
    assert.is(parseLine(line, PLACE), undefined, line);
  }
});

test('a line that cannot be read is refused with the place, what was found and what was expected', () => {
  checkRefused(`${HEAD}exceptions:page_fault_user: address=0x7f ip=0x1`, ['found "address=0x7f ip=0x1"', 'expected "address=0x']);
  checkRefused(`${HEAD}exceptions:page_fault_user: address=main+0x4 ip=0x1 error_code=0x4`, ['plain numbers']);
  checkRefused(`${HEAD}syscalls:sys_enter_munmap: addr: 0x1000`, ['addr: 0x…, len: 0x…', 'munmap']);
  checkRefused(`${HEAD}syscalls:sys_enter_munmap: addr: 0x1000, size: 0x1`, ['munmap']);
  checkRefused(`${HEAD}syscalls:sys_exit_mmap: `, ['result of a system call']);
  checkRefused(`${HEAD}PERF_RECORD_MMAP2 1/1: [0x1000(0x1000) @ 0 00:00 0 0]: rw`, ['PERF_RECORD_MMAP2 pid/tid']);
  checkRefused(`${HEAD}PERF_RECORD_MMAP2 1/1: [0x1000(0) @ 0 00:00 0 0]: rw-p x`, ['not empty']);
  checkRefused(`${HEAD}PERF_RECORD_FORK(1:2)`, ['PERF_RECORD_FORK(pid:tid)']);
  checkRefused(`${HEAD}PERF_RECORD_COMM: x`, ['name:pid/tid']);
  checkRefused(`${HEAD}PERF_RECORD_LOST`, ['PERF_RECORD_LOST lost count']);
  checkRefused(HEAD.trimEnd(), ['expected']);
  checkRefused('java 30656 [001] 2447.053295081: cycles: ', ['both the process and the thread']);
  checkRefused('java 30656/30659 [001] exceptions:page_fault_user: address=0x1', ['a time in seconds']);
  checkRefused('hello', ['comm pid/tid [cpu] seconds: event: arguments']);
  checkRefused('x'.repeat(20_000), ['at most 16384 characters']);
});

const REAL = gunzipSync(readFileSync(fileURLToPath(new URL('../../test/data/traces/gcc.txt.gz', import.meta.url))))
  .toString('utf8')
  .split('\n');

const onlyUsageErrors = (line: string): void => {
  try {
    const event = parseLine(line, PLACE);
    if (event !== undefined && !Number.isSafeInteger(event.timeNs)) throw new Error(`time ${event.timeNs}`);
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
  }
};

test('random text never gives anything but an event or a UsageError', () => {
  const line = fc.oneof(
    fc.string({ unit: 'binary', size: 'medium' }),
    fc.string({ size: 'medium' }).map((body) => HEAD + body),
  );
  return fc.assert(fc.property(line, onlyUsageErrors), { numRuns: 2000 });
});

test('real lines with damage never give anything but an event or a UsageError', () => {
  const damaged = fc
    .tuple(fc.nat(REAL.length - 1), fc.nat(200), fc.nat(20), fc.string({ size: 'medium' }))
    .map(([index, at, remove, insert]) => (REAL[index] as string).slice(0, at) + insert + (REAL[index] as string).slice(at + remove));
  return fc.assert(fc.property(damaged, onlyUsageErrors), { numRuns: 4000 });
});

test('a line of many blanks or digits is refused at once', () => {
  const before = performance.now();
  for (const filler of [' ', '1', '1 ', '1/', '0x', 'a:', ', ', '[', '1/1 ']) onlyUsageErrors(filler.repeat(16_000 / filler.length));
  for (const filler of [' ', '1', ', ', ':', '0']) onlyUsageErrors(`${HEAD}PERF_RECORD_MMAP2 ${filler.repeat(10_000 / filler.length)}`);
  for (const filler of [' ', '1', ', ', ':', 'a:', 'a: 1, ']) onlyUsageErrors(HEAD + filler.repeat(10_000 / filler.length));
  assert.ok(performance.now() - before < 3000, 'a pattern of the parser goes over its text too often');
});

test.run();

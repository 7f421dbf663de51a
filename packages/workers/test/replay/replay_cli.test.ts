/** `faultlab replay` as a user meets it: exit codes, the last line, one sentence for every bad trace. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { assert, suite } from '@faultlab/test-support';
import type { ReplayResult } from '@faultlab/workers/replay/replay_trace';
import { PAGE, program, READ, STACK, X } from './program_text.ts';

const test = suite('faultlab replay');
const BIN = fileURLToPath(new URL('../../bin/faultlab.mjs', import.meta.url));
const DEADLINE = { deadlineMs: 30_000 };

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

/** Runs the command in `folder`. */
function faultlab(folder: string, args: readonly string[], input = '', whenStarted?: (child: ChildProcess) => void): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, INIT_CWD: folder };
    const child = spawn(process.execPath, [BIN, 'replay', ...args], { stdio: ['pipe', 'pipe', 'pipe'], cwd: folder, env });
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on('close', (code) => resolve({ code, out, errors }));
    // The command may end before it has read everything.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    whenStarted?.(child);
  });
}

/** Writes the files into a fresh folder, runs the command there, and removes the folder. */
async function withFiles<T>(files: Readonly<Record<string, string | Buffer>>, body: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-replay-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? '';
const GOOD: string = program()
  .mmap('5/5', X, 4 * PAGE)
  .fault('5/5', X)
  .fault('5/5', 0, READ)
  .fault('5/5', STACK - 8).text;
const BAD: string = program()
  .enterMmap('5/5', { len: 4 * PAGE })
  .area('5/5', { start: X, len: 6 * PAGE })
  .leave('5/5', 'mmap', X)
  .fault('5/5', X).text;

test(
  'a trace that agrees exits with 0; the first line says what it is, the last line counts',
  async () => {
    const { code, out } = await withFiles({ 'good.txt': GOOD }, (folder) => faultlab(folder, ['good.txt']));
    assert.is(code, 0, out);
    assert.match(out.split('\n')[0] ?? '', /^A model on \d+ cores? .* not a kernel/);
    assert.is(lastLine(out), 'replay: good.txt: 3 of 3 faults replayed, 0 unexpected, 4 of 4 areas agree');
    for (const part of [
      'lock_stat version 0.4',
      'vma_lock_success ',
      'p99.9',
      'lost events: none',
      '1 fault outside of what the areas allow',
    ])
      assert.ok(out.includes(part), part);
  },
  DEADLINE,
);

test(
  'a planted difference exits with 1 and is shown with both sides',
  async () => {
    const { code, out } = await withFiles({ 'bad.txt': BAD }, (folder) => faultlab(folder, ['bad.txt']));
    assert.is(code, 1, out);
    assert.ok(out.includes('expected  [0x7f0000000000(0x6000)] rw-p'), out);
    assert.ok(out.includes('got       [0x7f0000000000(0x4000)] rw-p'), out);
    assert.is(lastLine(out), 'replay: bad.txt: 1 of 1 faults replayed, 0 unexpected, 3 of 4 areas agree');
  },
  DEADLINE,
);

test(
  'standard input, gzipped files, several files and JSON',
  async () => {
    await withFiles({ 'good.txt.gz': gzipSync(GOOD), 'bad.txt': BAD }, async (folder) => {
      const { code, out } = await faultlab(folder, ['-', 'good.txt.gz', 'bad.txt', '--json', 'out.json', '--policy', 'linux-5.4'], GOOD);
      assert.is(code, 1, out);
      assert.equal(
        out.split('\n').filter((line) => line.startsWith('replay: ')),
        [
          'replay: standard input: 3 of 3 faults replayed, 0 unexpected, 4 of 4 areas agree',
          'replay: good.txt.gz: 3 of 3 faults replayed, 0 unexpected, 4 of 4 areas agree',
          'replay: bad.txt: 1 of 1 faults replayed, 0 unexpected, 3 of 4 areas agree',
        ],
      );
      const results = JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8')) as ReplayResult[];
      assert.equal(
        results.map(({ name, verdict, policy }) => [name, verdict, policy]),
        [
          ['standard input', 'agrees', 'linux-5.4'],
          ['good.txt.gz', 'agrees', 'linux-5.4'],
          ['bad.txt', 'differs', 'linux-5.4'],
        ],
      );
      assert.is(results[2]?.differences[0]?.got, '[0x7f0000000000(0x4000)] rw-p');
    });
  },
  DEADLINE,
);

test(
  'cold files are read from a device whose model is named, and JSON has its counts',
  async () => {
    await withFiles({ 'good.txt': GOOD, 'times.txt': '50us\n' }, async (folder) => {
      const { code, out } = await faultlab(folder, ['good.txt', '--cold', '--io', 'list:times.txt', '--json', 'out.json']);
      assert.is(code, 0, out);
      assert.match(out, /^Files on a device \(list of 1 time.*\); no page of a file was in memory at the start$/m);
      assert.match(out, /^ {2}\d+ reads? of \d+ pages?, 0 writes of 0 pages; the longest took /m);
      const { io } = JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8')) as ReplayResult;
      assert.is(io?.start, 'cold');
    });
  },
  DEADLINE,
);

test(
  'lost events are counted and named',
  async () => {
    const text = program()
      .fault('5/5', STACK - 8)
      .line('5/5', 'PERF_RECORD_LOST lost 17').text;
    const { out } = await withFiles({ 'lost.txt': text }, (folder) => faultlab(folder, ['lost.txt']));
    assert.match(out, /lost events: LOST 17;/);
  },
  DEADLINE,
);

const gzipped = gzipSync(GOOD);
const MISTAKES: readonly (readonly [string, readonly string[], Readonly<Record<string, string | Buffer>>, RegExp])[] = [
  ['a missing file', ['none.txt'], {}, /none\.txt does not exist; give the path of a trace file/],
  [
    'a malformed line',
    ['t.txt'],
    { 't.txt': `${GOOD}nonsense\n` },
    new RegExp(`^t\\.txt, line ${GOOD.split('\n').length}: expected .*comm pid/tid`),
  ],
  ['a bad number', ['t.txt'], { 't.txt': GOOD.replace('error_code=0x6', 'error_code=six') }, /^t\.txt, line \d+: expected .*error_code/],
  ['a file that is cut off', ['t.txt'], { 't.txt': GOOD.slice(0, -7) }, /^t\.txt, line \d+: the file is cut off inside its last line/],
  ['gzip data that is cut off', ['t.gz'], { 't.gz': gzipped.subarray(0, gzipped.length - 12) }, /^t\.gz is cut off/],
  ['an empty file', ['t.txt'], { 't.txt': '' }, /^t\.txt is empty/],
  ['a trace of nothing', ['t.txt'], { 't.txt': '# only a comment\n' }, /^t\.txt has no operation of a user program; record /],
  ['no file', [], {}, /Missing required argument/],
  ['an unknown policy', ['t.txt', '--policy', 'linux-1.0'], { 't.txt': GOOD }, /linux-1\.0/],
  ['an unknown speed', ['t.txt', '--speed', 'slow'], { 't.txt': GOOD }, /slow/],
  ['a bad number of differences', ['t.txt', '--show', '-1'], { 't.txt': GOOD }, /--show/],
  [
    'a latency that is none',
    ['t.txt', '--cold', '--io', 'slow'],
    { 't.txt': GOOD },
    /^The latency "slow" is not understood: it must be one of zero, fixed:100us/,
  ],
  [
    'a list of latencies that is not there',
    ['t.txt', '--io', 'list:none'],
    { 't.txt': GOOD },
    /^The list of latencies ".*none" cannot be read \(ENOENT\)/,
  ],
  ['standard input twice', ['-', '-'], {}, /Standard input \(-\) is named twice/],
];
for (const [name, args, files, message] of MISTAKES) {
  test(
    `${name} is one sentence, and exit code 2`,
    async () => {
      const { code, errors } = await withFiles(files, (folder) => faultlab(folder, args));
      assert.is(code, 2, errors);
      assert.match(errors, message);
      assert.is(errors.trimEnd().split('\n').length, 1, errors);
    },
    DEADLINE,
  );
}

test(
  'an interrupt ends a long replay with its report and exit code 130',
  async () => {
    const trace = program()
      .mmap('5/5', X, 4 * PAGE)
      .fault('5/5', X);
    const [first] = trace.lines;
    const later = trace
      .fault('5/5', X + PAGE)
      .lines.pop()
      ?.replace(/\d+\.\d{9}/, '90.000000000');
    const text = `${[first, ...trace.lines.slice(1), later].join('\n')}\n`;
    const { code, out } = await withFiles({ 'slow.txt': text }, (folder) =>
      faultlab(folder, ['slow.txt', '--speed', 'recorded'], '', (child) => {
        // Its first line on standard error says that the CPUs run.
        child.stderr?.once('data', () => child.kill('SIGINT'));
      }),
    );
    assert.is(code, 130, out);
    assert.is(lastLine(out), 'replay: slow.txt: 1 of 2 faults replayed, 0 unexpected, 4 of 4 areas agree');
  },
  DEADLINE,
);

test.run();

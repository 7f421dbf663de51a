/** Whole files: plain, gzipped, in pieces, cut off, damaged, and not traces at all. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import type { TraceEvent } from '@faultlab/workers/perf_script/events';
import { readTrace } from '@faultlab/workers/perf_script/read_trace';
import { TraceText } from './trace_text.ts';

const test = suite('read_trace');

const GCC = fileURLToPath(new URL('../../test/data/traces/gcc.txt.gz', import.meta.url));
const packed = readFileSync(GCC);
const text = gunzipSync(packed);
const small = Buffer.from(`${new TraceText().exec('5/5').fault('5/5', 0x1000).exit('5/5').lines.join('\n')}\n`);

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

async function eventsOf(bytes: Uint8Array, size: number = bytes.length || 1): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  await readTrace(pieces(bytes, size), (event) => events.push(event), 'x.txt');
  return events;
}

async function checkRefused(input: string | Uint8Array, ...words: readonly string[]): Promise<void> {
  try {
    await readTrace(typeof input === 'string' ? input : pieces(input, 1000), () => {}, typeof input === 'string' ? input : 'x.txt');
  } catch (thrown) {
    assert.instance(thrown, UsageError, String(thrown));
    for (const word of words) assert.ok((thrown as Error).message.includes(word), `"${word}" is not in: ${(thrown as Error).message}`);
    return;
  }
  assert.unreachable('was not refused');
}

test('a gzipped file, its text, and its text in odd pieces give the same events', async () => {
  const events: TraceEvent[] = [];
  assert.equal(await readTrace(GCC, (event) => events.push(event)), { lines: 3080 });
  assert.is(events.length, 3080);
  assert.equal(await eventsOf(text), events);
  assert.equal(await eventsOf(text, 777), events);
  assert.equal(await eventsOf(packed, 13), events);
});

test('a piece may be a single byte, also inside a character', async () => {
  const bytes = Buffer.from(small.toString().replaceAll('prog', 'prüg'));
  const events = await eventsOf(bytes, 1);
  assert.equal(
    events.map(({ kind, comm }) => `${kind} ${comm}`),
    ['comm prüg', 'fault prüg', 'exit prüg'],
  );
  assert.equal(await eventsOf(gzipSync(bytes), 1), events);
});

test('two gzip files in one are read as one text', async () => {
  assert.is((await eventsOf(Buffer.concat([gzipSync(small), gzipSync(small)]))).length, 6);
});

test('a gzip file that ends early is refused wherever it ends', async () => {
  for (const length of [3, 10, 11, 100, 20_000, packed.length - 9, packed.length - 8, packed.length - 1]) {
    await checkRefused(packed.subarray(0, length), 'x.txt is cut off', 'gzip');
  }
});

test('a damaged gzip file is refused', async () => {
  const bad = Buffer.from(packed);
  bad.fill(0x55, 9000, 9100);
  await checkRefused(bad, 'x.txt');
  const wrongSum = Buffer.from(packed);
  wrongSum.fill(0, wrongSum.length - 8, wrongSum.length - 4);
  await checkRefused(wrongSum, 'x.txt is damaged');
});

test('a text that is cut inside its last line is refused, even where the rest of the line can be read', async () => {
  await checkRefused(small.subarray(0, small.length - 1), 'x.txt, line 3', 'cut off inside its last line');
  await checkRefused(small.subarray(0, small.length - 20), 'line 3', 'cut off');
});

test('a malformed line is refused with its number', async () => {
  await checkRefused(Buffer.concat([small, Buffer.from('what is this\n'), small]), 'x.txt, line 4', 'what is this');
});

test('what is no trace is refused with the way out', async () => {
  await checkRefused(new Uint8Array(0), 'x.txt is empty');
  await checkRefused(gzipSync(new Uint8Array(0)), 'x.txt is empty');
  await checkRefused(Buffer.from('PERFILE2 and more'), 'run perf script on it first');
  await checkRefused(new Uint8Array(100_000), 'x.txt, line 1', 'at most 16384 characters');
  await checkRefused('/does/not/exist.txt', '/does/not/exist.txt does not exist');
  await checkRefused(fileURLToPath(new URL('.', import.meta.url)), 'is a directory');
});

test('a file on disk may be plain text', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-'));
  try {
    const path = join(folder, 'trace.txt');
    writeFileSync(path, small);
    assert.equal(await readTrace(path, () => {}), { lines: 3 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an error of the one who listens passes through', async () => {
  const mine = new Error('mine');
  const thrown = await readTrace(GCC, () => {
    throw mine;
  }).catch((error: unknown) => error);
  assert.is(thrown, mine);
});

test.run();

/**
 * Streams a trace file, plain or gzipped, line by line through the parser, and notices when the file was cut off.
 * Next: build_timeline.ts joins the events into operations.
 */

import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UsageError } from '@faultlab/core/base/errors';
import type { TraceEvent } from './events.ts';
import { LINE_CHARS_MAX, parseLine } from './parse_line.ts';

export type ByteSource = AsyncIterable<Uint8Array>;

/** What was read, when all of it was good. */
export interface Reading {
  readonly lines: number;
}

/**
 * Reads a trace and calls `onEvent` for each event in the order of the lines. `input` is a path, "-" for standard
 * input, or the bytes themselves; `name` is what messages call it.
 * Rejects with UsageError for a file that cannot be read, is not such text, is damaged or cut off.
 */
export async function readTrace(
  input: string | ByteSource,
  onEvent: (event: TraceEvent) => void,
  name: string = nameOf(input),
): Promise<Reading> {
  const bytes = typeof input === 'string' ? openInput(input) : input;
  const lines = new LineFeed(name, onEvent);
  try {
    for await (const chunk of unzipped(bytes, name)) lines.push(chunk);
  } catch (thrown) {
    throw asUsageError(thrown, name);
  }
  return { lines: lines.end() };
}

const nameOf = (input: string | ByteSource): string => (typeof input !== 'string' ? 'trace' : input === '-' ? 'standard input' : input);
const openInput = (path: string): ByteSource => (path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 1 << 18 }));

/** Cuts chunks into lines. The text may be cut anywhere, inside a character too. */
class LineFeed {
  private readonly decoder = new TextDecoder();
  private readonly name: string;
  private readonly onEvent: (event: TraceEvent) => void;
  private rest = '';
  private lines = 0;

  constructor(name: string, onEvent: (event: TraceEvent) => void) {
    this.name = name;
    this.onEvent = onEvent;
  }

  push(chunk: Uint8Array): void {
    const text = this.rest + this.decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let to = text.indexOf('\n'); to !== -1; to = text.indexOf('\n', from)) {
      this.feed(text.slice(from, to));
      from = to + 1;
    }
    this.rest = text.slice(from);
    if (this.rest.length > LINE_CHARS_MAX) this.feed(this.rest);
  }

  /** Returns the number of lines. */
  end(): number {
    const rest = this.rest + this.decoder.decode();
    if (rest !== '') {
      const shown = JSON.stringify(rest.slice(-60));
      throw new UsageError(
        `${this.name}, line ${this.lines + 1}: the file is cut off inside its last line (it ends with ${shown}, without a line end); copy or record it again.`,
      );
    }
    if (this.lines === 0) throw new UsageError(`${this.name} is empty; give a file with the text of perf script.`);
    return this.lines;
  }

  private feed(line: string): void {
    this.lines++;
    const event = parseLine(line, { file: this.name, line: this.lines });
    if (event !== undefined) this.onEvent(event);
  }
}

const GZIP_MAGIC = [0x1f, 0x8b];
const PERF_DATA_MAGIC = new TextEncoder().encode('PERFILE2');

/** Yields the text's bytes, whichever form the file has: its first bytes tell. */
async function* unzipped(source: ByteSource, name: string): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  let first: Uint8Array = new Uint8Array(0);
  while (first.length < PERF_DATA_MAGIC.length) {
    const next = await chunks.next();
    if (next.done === true) break;
    first = first.length === 0 ? next.value : Buffer.concat([first, next.value]);
  }
  if (startsWith(first, PERF_DATA_MAGIC))
    throw new UsageError(`${name} is what perf record wrote, not text; run perf script on it first and give its output.`);
  const all = chain(first, chunks);
  yield* startsWith(first, GZIP_MAGIC) ? gunzip(all) : all;
}

const startsWith = (bytes: Uint8Array, magic: ArrayLike<number>): boolean =>
  bytes.length >= magic.length && Array.from(magic).every((byte, index) => bytes[index] === byte);

async function* chain(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (first.length > 0) yield first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

async function* gunzip(source: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const packed = Readable.from(source, { objectMode: false });
  const plain = createGunzip();
  packed.once('error', (error) => plain.destroy(error));
  packed.pipe(plain);
  try {
    yield* plain as AsyncIterable<Uint8Array>;
  } finally {
    packed.destroy();
    plain.destroy();
  }
}

/** Sentences for what the file system and the decompressor can say. Anything else is a bug and passes through. */
function asUsageError(thrown: unknown, name: string): unknown {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code === 'Z_BUF_ERROR') return new UsageError(`${name} is cut off: its gzip data ends too early; copy or record it again.`);
  if (typeof code === 'string' && code.startsWith('Z_'))
    return new UsageError(`${name} is damaged: its gzip data cannot be unpacked; copy or record it again.`);
  if (code === 'ENOENT') return new UsageError(`${name} does not exist; give the path of a trace file, or - for standard input.`);
  if (code === 'EISDIR') return new UsageError(`${name} is a directory; give the path of a trace file.`);
  if (code === 'EACCES') return new UsageError(`${name} may not be read by this user; change its permissions or copy it.`);
  if (typeof code === 'string' && thrown instanceof Error && 'syscall' in thrown)
    return new UsageError(`${name} cannot be read (${code}); give the path of a trace file, or - for standard input.`);
  return thrown;
}

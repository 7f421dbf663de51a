/** Garbage for parsers, and what may come of it: a value, or one sentence. */
import { UsageError } from '@faultlab/core/base/errors';
import { assert } from '@faultlab/test-support';
import fc from 'fast-check';

/** A failure names its own seed; this one can be given to look for other failures. */
const SEED = Number(process.env['FAULTLAB_GARBAGE_SEED'] ?? 20_260_611);

/** Bounded in runs and in time, so that a busy machine tries less and not longer. */
export const bounds = (numRuns: number, limitMs = 6_000): fc.Parameters<unknown> => ({
  seed: SEED,
  numRuns,
  interruptAfterTimeLimit: limitMs,
});

/** What a parser says of a text: undefined when it takes it. Anything but a UsageError with a whole sentence fails the test. */
export function complaint(parse: () => unknown): string | undefined {
  try {
    parse();
  } catch (error) {
    return sentenceOf(error);
  }
  return undefined;
}

export async function laterComplaint(parse: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await parse();
  } catch (error) {
    return sentenceOf(error);
  }
  return undefined;
}

function sentenceOf(error: unknown): string {
  assert.instance(error, UsageError, `not a UsageError: ${error instanceof Error ? error.stack : String(error)}`);
  const { message } = error as UsageError;
  assert.match(message, /\.$/);
  assert.ok(message.length < 5_000, `${message.length} characters`);
  return message;
}

/** Text of every kind: nothing, blanks, control characters, letters of other scripts, halves of surrogate pairs, very long. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom(
    '',
    ' ',
    '\t',
    '\n',
    '\r\n',
    '\0',
    '\x1b[2J',
    '\u2028',
    '\ud800',
    '__proto__',
    'constructor',
    'toString',
    'undefined',
    'null',
    'NaN',
  ),
  fc.constantFrom('a'.repeat(3_000), '9'.repeat(400), '('.repeat(2_000)),
);

/** Words that look like numbers, most of them none that anything takes. */
export const number: fc.Arbitrary<string> = fc.oneof(
  fc.integer().map(String),
  fc.double().map(String),
  fc.bigInt().map(String),
  fc.constantFrom(
    '-0',
    '+1',
    '1e3',
    '1e999',
    '0x10',
    '1_000',
    '1,5',
    '.5',
    '5.',
    '٣',
    '９',
    'Infinity',
    '-1',
    '4294967296',
    '9007199254740993',
    ' 1',
    '1 ',
  ),
);

/** Text that began as something good: characters gone, doubled, exchanged, or garbage put in. */
export function damaged(good: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat({ max: 12 }), put: fc.oneof(text, number) });
  return fc.tuple(good, fc.array(change, { minLength: 1, maxLength: 4 })).map(([start, changes]) =>
    changes.reduce((result, { at, length, put }) => {
      const from = Math.floor(at * result.length);
      return result.slice(0, from) + put + result.slice(from + length);
    }, start),
  );
}

/** A record in which some field, at any depth, is gone, surplus or something else. */
export function changedRecord(good: unknown): fc.Arbitrary<unknown> {
  const paths = pathsOf(good);
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1.5, 1e300, 2 ** 53, '', null, [], {}, true));
  const change = fc.record({ path: fc.constantFrom(...paths), what: fc.constantFrom('gone', 'other', 'surplus'), value, name: text });
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
    const record = { root: structuredClone(good) };
    for (const one of changes) apply(record, ['root', ...one.path], one);
    return record.root;
  });
}

interface Change {
  readonly what: string;
  readonly value: unknown;
  readonly name: string;
}

function apply(record: object, path: readonly string[], { what, value, name }: Change): void {
  const last = path.at(-1) as string;
  let at = record as Record<string, unknown>;
  for (const step of path.slice(0, -1)) {
    const next = at[step];
    if (typeof next !== 'object' || next === null) return;
    at = next as Record<string, unknown>;
  }
  const target = at[last];
  if (what === 'gone') delete at[last];
  else if (what === 'surplus' && typeof target === 'object' && target !== null) {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  } else at[last] = value;
}

function pathsOf(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [[]];
  return [[], ...Object.entries(value).flatMap(([name, inner]) => pathsOf(inner).map((path) => [name, ...path]))];
}

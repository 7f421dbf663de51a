/**
 * The judge of files: what may be read from a page of a file, by its writer and by others, through shared and private mappings.
 */
import { InvariantError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { FileShadow, NO_FLOOR } from '@faultlab/workers/program/file_shadow';
import { BUS_ADRERR } from '@faultlab/workers/program/outcome';
import { PageShadow } from '@faultlab/workers/program/page_shadow';
import type { FileUse, Region } from '@faultlab/workers/program/program';
import { fileKey, isOlder, makeStamp, StampSource } from '@faultlab/workers/program/stamp';

const test = suite('file_shadow');
const FILE = 2;
const ME = 1;
const OTHER = 3;
const token = (page: number): number => 0x700001 + 2 * page;
const mine: FileUse = { name: 'f', pages: 8, initial: 'token', writes: { step: 1, offset: 0 }, discards: 'mine' };
const others: FileUse = { ...mine, writes: { step: 2, offset: 1 } };
const shrinking: FileUse = { ...others, discards: 'shared' };
const stampOf = (cpu: number, page: number, counter: number): number => makeStamp(fileKey(FILE, page), cpu, counter);

/** Runs the body on what a CPU knows of a file. @returns the message of the violation, or 'fine' */
function check(use: FileUse, body: (shadow: FileShadow) => void): string {
  try {
    body(new FileShadow(use, FILE, token));
    return 'fine';
  } catch (error) {
    assert.instance(error, InvariantError);
    return (error as Error).message.replace(/^I25: /, '').replace(/:.*/, '');
  }
}

const S1 = stampOf(OTHER, 0, 1);
const S2 = stampOf(OTHER, 0, 2);
const BACK = 'an overwritten or discarded content came back';
const cases: readonly (readonly [string, FileUse, (shadow: FileShadow) => void, string])[] = [
  ['what the device holds', mine, (s) => s.judge(0, token(0), NO_FLOOR), 'fine'],
  [
    'the token of another page',
    mine,
    (s) => s.judge(0, token(1), NO_FLOOR),
    'the content of a page of a file belongs elsewhere, or an overwritten one came back',
  ],
  ['zero where the device holds something', mine, (s) => s.judge(0, 0, NO_FLOOR), 'a write to a file was lost'],
  ['zero in a file that others truncate', shrinking, (s) => s.judge(0, 0, NO_FLOOR), 'fine'],
  [
    'the token after zero in a file that others truncate',
    shrinking,
    (s) => {
      s.judge(0, 0, NO_FLOOR);
      s.judge(0, token(0), NO_FLOOR);
    },
    'the content of a page of a file belongs elsewhere, or an overwritten one came back',
  ],
  [
    'an own write that was lost',
    mine,
    (s) => {
      s.wrote(0, s.nextStamp(ME, 0));
      s.judge(0, token(0), NO_FLOOR);
    },
    'the content of a page of a file belongs elsewhere, or an overwritten one came back',
  ],
  [
    'zero after an own hole',
    mine,
    (s) => {
      s.wrote(0, s.nextStamp(ME, 0));
      s.punched(0, 1);
      s.judge(0, 0, NO_FLOOR);
    },
    'fine',
  ],
  [
    'an own write after an own hole',
    mine,
    (s) => {
      const stamp = s.nextStamp(ME, 0);
      s.wrote(0, stamp);
      s.punched(0, 1);
      s.judge(0, stamp, NO_FLOOR);
    },
    'somebody else wrote the page, or an old write came back',
  ],
  [
    'writes of another CPU in their order',
    others,
    (s) => {
      s.judge(0, S1, NO_FLOOR);
      s.judge(0, S2, S1);
    },
    'fine',
  ],
  [
    'an older write of another CPU that was never seen before',
    others,
    (s) => {
      s.judge(0, stampOf(OTHER, 0, 5), NO_FLOOR);
      s.judge(0, S2, NO_FLOOR);
    },
    BACK,
  ],
  ['a write older than what its writer has published', others, (s) => s.judge(0, S1, S2), 'an old copy of a page of a file was read'],
  ['the token although something is published', others, (s) => s.judge(0, token(0), S1), 'an old copy of a page of a file was read'],
  ['the token in a file that others truncate', shrinking, (s) => s.judge(0, token(0), S1), 'fine'],
  ['an old copy in a private mapping', others, (s) => s.judgeCopy(0, S1), 'fine'],
  [
    'a strange copy in a private mapping',
    others,
    (s) => s.judgeCopy(0, token(3)),
    'a copy of a page of a file holds what the page never held',
  ],
];
for (const [name, use, body, expected] of cases) test(`${name}: ${expected}`, () => assert.is(check(use, body), expected));

test('the counter of stamps may wrap', () => {
  const key = fileKey(FILE, 0);
  const last = makeStamp(key, ME, 0x1fffe);
  const first = makeStamp(key, ME, 0x1ffff);
  assert.ok(isOlder(last, first, key));
  assert.not(isOlder(first, last, key));
  assert.not(isOlder(first, makeStamp(key, OTHER, 7), key));
});

const START = 5000;
const view: Region = {
  name: 'v',
  start: START,
  pages: 4,
  initial: 3,
  layout: 'fixed',
  discards: 'mine',
  writes: { step: 1, offset: 0 },
  backing: { file: 0, offset: 2, shared: false },
};

test('a private mapping shows the file until it is written, and then its copy, until that is thrown away', () => {
  const file = new FileShadow(mine, FILE, token);
  const region = new PageShadow(view, [file]);
  region.judgeRead(START, token(2));
  const copy = new StampSource(ME).next(START);
  region.wrote(START, copy);
  region.judgeRead(START, copy);
  assert.ok(region.isExact(START));
  assert.throws(() => region.judgeRead(START, token(2)), /a write to a copy was lost/);
  region.discarded(START, 1);
  region.judgeRead(START, token(2));
  assert.throws(() => region.judgeRead(START, copy), /an old copy came back/);
});

test('a page beyond the end of the file ends with SIGBUS, and a copy of it is gone', () => {
  const file = new FileShadow(mine, FILE, token);
  const region = new PageShadow(view, [file]);
  region.wrote(START + 1, new StampSource(ME).next(START + 1));
  file.truncated(3);
  region.fileTruncated(3);
  assert.is(region.predicted(START, false), 0);
  assert.is(region.predicted(START + 1, false), BUS_ADRERR);
  file.truncated(8);
  region.judgeRead(START + 1, 0);
});

test('two views of a file know the same', () => {
  const file = new FileShadow(mine, FILE, token);
  const shared: Region = { ...view, backing: { file: 0, offset: 0, shared: true } };
  const [one, other] = [new PageShadow(shared, [file]), new PageShadow({ ...shared, start: START + 100 }, [file])];
  const stamp = file.nextStamp(ME, 1);
  one.wrote(START + 1, stamp);
  assert.is(other.expected(START + 101), stamp);
  assert.throws(() => other.judgeRead(START + 101, token(1)), /came back/);
});

test('what a page held at first is older than a write, whatever it looks like', () => {
  // The token has the bits of CPU 0 and a large counter where a stamp has them.
  const lookalike = makeStamp(fileKey(FILE, 1), 0, 0x919f);
  const shadow = new FileShadow(shrinking, FILE, () => lookalike);
  shadow.judge(0, makeStamp(fileKey(FILE, 0), 0, 3), NO_FLOOR);
  assert.is(shadow.expected(0), makeStamp(fileKey(FILE, 0), 0, 3));
});

test('where a device may fail, an earlier content is fine, a foreign one is not, and nothing is known exactly', () => {
  const shadow = new FileShadow(mine, FILE, token, true);
  shadow.wrote(0, stampOf(ME, 0, 1));
  shadow.wrote(0, stampOf(ME, 0, 2));
  shadow.judge(0, stampOf(ME, 0, 1), NO_FLOOR); // The second write was not written back.
  shadow.judge(0, token(0), stampOf(ME, 0, 2)); // Neither was the first, whatever was published.
  assert.not.ok(shadow.isExact(0));
  for (const foreign of [0, token(1), stampOf(ME, 1, 1)]) {
    assert.throws(() => shadow.judge(0, foreign, NO_FLOOR), /holds what the page never held/);
  }
});

test('what is in memory only is judged as ever, also where a device may fail', () => {
  const shadow = new FileShadow({ ...mine, initial: 'zero' }, FILE, token, true);
  shadow.wrote(0, stampOf(ME, 0, 1));
  assert.ok(shadow.isExact(0));
  assert.throws(() => shadow.judge(0, 0, NO_FLOOR), /a write to a file was lost/);
});

test.run();

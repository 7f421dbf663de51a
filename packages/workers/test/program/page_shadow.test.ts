/**
 * The judge of contents: each kind of wrong content is recognised, and each legal one is not.
 */
import { InvariantError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { ACCESS_OK, SEGV_ACCERR, SEGV_MAPERR } from '@faultlab/workers/program/outcome';
import { PageShadow } from '@faultlab/workers/program/page_shadow';
import type { Region } from '@faultlab/workers/program/program';
import { StampSource } from '@faultlab/workers/program/stamp';

const test = suite('page_shadow');
const START = 1000;
const mine: Region = {
  name: 'mine',
  start: START,
  pages: 16,
  initial: 3,
  layout: 'mine',
  discards: 'mine',
  writes: { step: 1, offset: 0 },
};
const shared: Region = { ...mine, layout: 'shared', discards: 'shared', writes: 'all' };
const stamps = new StampSource(2);
const others = new StampSource(5);

/** Runs the body on a fresh shadow. @returns the message of the violation, or 'fine' */
function check(region: Region, body: (shadow: PageShadow) => void): string {
  try {
    body(new PageShadow(region));
    return 'fine';
  } catch (error) {
    assert.instance(error, InvariantError);
    assert.is((error as InvariantError).id, 'I25');
    return (error as Error).message.replace(/^I25: /, '').replace(/:.*/, '');
  }
}

const S = stamps.next(START);
const T = stamps.next(START);
const FOREIGN = others.next(START);
const ELSEWHERE = stamps.next(START + 1);

const cases: readonly (readonly [string, Region, (shadow: PageShadow) => void, string])[] = [
  ['a fresh page is zero', mine, (s) => s.judgeRead(START, 0), 'fine'],
  ['a fresh page with a leaked stamp', mine, (s) => s.judgeRead(START, ELSEWHERE), 'the content belongs to another page'],
  [
    'a fresh page with a fitting stamp',
    mine,
    (s) => s.judgeRead(START, FOREIGN),
    'somebody else wrote the page, or an old write came back',
  ],
  [
    'the own write',
    mine,
    (s) => {
      s.wrote(START, S);
      s.judgeRead(START, S);
    },
    'fine',
  ],
  [
    'a lost write',
    mine,
    (s) => {
      s.wrote(START, S);
      s.judgeRead(START, 0);
    },
    'a write was lost',
  ],
  [
    'an old own write',
    mine,
    (s) => {
      s.wrote(START, S);
      s.wrote(START, T);
      s.judgeRead(START, S);
    },
    'somebody else wrote the page, or an old write came back',
  ],
  [
    'zero after unmapping and mapping',
    mine,
    (s) => {
      s.wrote(START, S);
      s.mapped(START, 1, 3);
      s.judgeRead(START, 0);
    },
    'fine',
  ],
  [
    'the old write after unmapping and mapping',
    mine,
    (s) => {
      s.wrote(START, S);
      s.mapped(START, 1, 3);
      s.judgeRead(START, S);
    },
    'somebody else wrote the page, or an old write came back',
  ],
  [
    'zero after a lazy free',
    mine,
    (s) => {
      s.wrote(START, S);
      s.mayVanish(START, 1);
      s.judgeRead(START, 0);
    },
    'fine',
  ],
  [
    'the write after a lazy free',
    mine,
    (s) => {
      s.wrote(START, S);
      s.mayVanish(START, 1);
      s.judgeRead(START, S);
    },
    'fine',
  ],
  [
    'a moved page',
    mine,
    (s) => {
      s.wrote(START, S);
      s.moved(START, 2, START + 8, 2);
      s.judgeRead(START + 8, S);
    },
    'fine',
  ],
  [
    'a moved page that lost its content',
    mine,
    (s) => {
      s.wrote(START, S);
      s.moved(START, 2, START + 8, 2);
      s.judgeRead(START + 8, 0);
    },
    'a write was lost',
  ],
  [
    'zero where others discard',
    shared,
    (s) => {
      s.wrote(START, S);
      s.judgeRead(START, 0);
    },
    'fine',
  ],
  [
    "somebody else's write",
    shared,
    (s) => {
      s.wrote(START, S);
      s.judgeRead(START, FOREIGN);
    },
    'fine',
  ],
  [
    'a write back from the dead',
    shared,
    (s) => {
      s.wrote(START, S);
      s.judgeRead(START, 0);
      s.judgeRead(START, S);
    },
    'an overwritten or discarded content came back',
  ],
  [
    'an overwritten write',
    shared,
    (s) => {
      s.wrote(START, S);
      s.judgeRead(START, FOREIGN);
      s.judgeRead(START, S);
    },
    'an overwritten or discarded content came back',
  ],
  [
    'anything after a call that failed half-way',
    mine,
    (s) => {
      s.wrote(START, S);
      s.unsure(START, 1);
      s.judgeRead(START, FOREIGN);
    },
    'fine',
  ],
];
for (const [name, region, body, expected] of cases) test(`${name}: ${expected}`, () => assert.is(check(region, body), expected));

const predictions: readonly (readonly [string, Region, (shadow: PageShadow) => void, number | undefined, number | undefined])[] = [
  ['read-write', mine, () => {}, ACCESS_OK, ACCESS_OK],
  ['read-only', mine, (s) => s.protected(START, 4, 1), ACCESS_OK, SEGV_ACCERR],
  ['no access', mine, (s) => s.protected(START, 4, 0), SEGV_ACCERR, SEGV_ACCERR],
  ['unmapped', mine, (s) => s.unmapped(START, 4), SEGV_MAPERR, SEGV_MAPERR],
  ['remapped by others', shared, () => {}, undefined, undefined],
  ['after a call that failed half-way', mine, (s) => s.unsure(START, 4), undefined, undefined],
  [
    'beyond a hole',
    mine,
    (s) => {
      s.unmapped(START - 1, 1);
      s.protectedToHole(START, 4, 1);
    },
    ACCESS_OK,
    SEGV_ACCERR,
  ],
  [
    'moved to over a hole',
    mine,
    (s) => {
      s.unmapped(START + 8, 1);
      s.moved(START + 8, 2, START, 2);
    },
    ACCESS_OK,
    ACCESS_OK,
  ],
  ['moved away from', mine, (s) => s.moved(START, 2, START + 8, 2), SEGV_MAPERR, SEGV_MAPERR],
];
for (const [name, region, body, read, write] of predictions) {
  test(`a page that is ${name} is foretold`, () => {
    const shadow = new PageShadow(region);
    body(shadow);
    assert.is(shadow.predicted(START, false), read);
    assert.is(shadow.predicted(START, true), write);
  });
}

test.run();

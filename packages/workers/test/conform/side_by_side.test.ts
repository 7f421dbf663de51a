/** Two observations beside each other: which lines stand together, and which are marked. */
import { assert, suite } from '@faultlab/test-support';
import { sideBySide } from '@faultlab/workers/conform/side_by_side';
import { touchRecord } from './fixtures.ts';

const test = suite('conform/side_by_side');

test('lines that differ are marked, and equal events stand together', () => {
  const expected = touchRecord({ events: ['one', 'two', 'three'] });
  const got = touchRecord({ minflt: 2, events: ['one', 'three', 'four'] });
  assert.equal(sideBySide(expected, got, ['minflt', 'events']), [
    '          expected            got',
    '  result  ok                  ok',
    '! minflt  1                   2',
    '  majflt  0                   0',
    '  vmas    0-4 rw-p anon A...  0-4 rw-p anon A...',
    '  events  one                 one',
    '!         two                 -',
    '          three               three',
    '!         -                   four',
  ]);
});

test('a key that was left out is shown without a mark', () => {
  const rows = sideBySide(touchRecord({ minflt: 7 }), touchRecord({ result: 'ENOMEM' }), ['result']);
  assert.ok(rows.some((row) => /^! result {2}ok +ENOMEM$/.test(row)));
  assert.ok(rows.some((row) => /^ {2}minflt {2}7 +1$/.test(row)));
});

test('long runs of equal lines are counted instead of shown', () => {
  const events = Array.from({ length: 40 }, (_, index) => `event ${index}`);
  const rows = sideBySide(touchRecord({ events }), touchRecord({ events: [...events.slice(0, 20), 'other', ...events.slice(21)] }), [
    'events',
  ]);
  const shown = rows.slice(5).map((row) => row.slice(10).split(/ {2,}/));
  assert.equal(shown, [
    ['(18 equal)', '(18 equal)'],
    ['event 18', 'event 18'],
    ['event 19', 'event 19'],
    ['event 20', 'other'],
    ['event 21', 'event 21'],
    ['event 22', 'event 22'],
    ['(17 equal)', '(17 equal)'],
  ]);
});

test('an area of a file says from which page', () => {
  const file = { start: 4, end: 6, prot: 'r--s', pgoff: 3, of: 'f', pages: 'F.' };
  assert.ok(sideBySide(touchRecord({ vmas: [file] }), touchRecord(), ['vmas']).some((row) => row.includes('4-6 r--s f+3 F.')));
});

test.run();

/** Records as text: what is accepted, and what is said about a line that is no record or belongs to another script. */
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { parseScript } from '@faultlab/workers/conform/parse_script';
import { readRecord } from '@faultlab/workers/conform/read_record';
import { touchRecord } from './fixtures.ts';

const test = suite('conform/read_record');

const ONE = parseScript('s.txt', 'touch 0 w');
const TWO = parseScript('s.txt', 'touch 0 w\nfork\n@touch 0 w');
const text = (...records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');

test('records of all lines are given back as they are', () => {
  const records = [
    touchRecord(),
    touchRecord({ op: 1, do: 'fork', events: [], unstable: ['minflt'] }),
    touchRecord({ op: 2, mm: 1, do: '@touch 0 w', noisy: true }),
  ];
  assert.equal(readRecord('s.jsonl', text(...records), TWO), records);
  assert.equal(readRecord('s.jsonl', text(touchRecord()).trimEnd(), ONE), [touchRecord()]);
  assert.equal(readRecord('s.jsonl', '', []), []);
});

function checkRefused(what: string, record: string, says: RegExp): void {
  test(`${what} is refused with a sentence`, () => {
    assert.throws(
      () => readRecord('s.jsonl', record, ONE),
      (error: unknown) => error instanceof UsageError && error.message.startsWith('s.jsonl') && says.test(error.message),
    );
  });
}

const area = touchRecord().vmas[0];
checkRefused('half a line', '{"op":0', /line 1: there is no JSON object/);
checkRefused('a number', '5\n', /line 1: the key/);
checkRefused('a record without events', text({ ...touchRecord(), events: undefined }), /the key events/);
checkRefused('an unknown key', text({ ...touchRecord(), eventz: [] }), /the key eventz/);
checkRefused('a negative count', text(touchRecord({ minflt: -1 })), /the key minflt/);
checkRefused('an unstable key that does not exist', text({ ...touchRecord(), unstable: ['mood'] }), /the key unstable\.0/);
checkRefused('an area with a letter too few', text({ ...touchRecord(), vmas: [{ ...area, pages: 'A..' }] }), /one letter a page/);
checkRefused('a page letter that does not exist', text({ ...touchRecord(), vmas: [{ ...area, pages: 'A..x' }] }), /the key vmas\.0\.pages/);
checkRefused('another operation', text(touchRecord({ do: 'touch 1 w' })), /line 1: operation 0 "touch 0 w" of address space 0/);
checkRefused('another address space', text(touchRecord({ mm: 1 })), /of address space 0/);
checkRefused('another number', text(touchRecord({ op: 1 })), /operation 0/);
checkRefused('a record too many', text(touchRecord(), touchRecord({ op: 1 })), /line 2: there is a record more/);
checkRefused('a record too few', '', /0 records, but its script has 1 operations/);

test.run();

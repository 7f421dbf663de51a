/**
 * The interleavings that catch mutants, each carried out on one thread: the right model comes through, the mutant breaks one of the rules that its
 * entry in the catalogue names, and it is the same rule every time. Here each detector that has no other test detects.
 */
import { MUTANTS, mutantById } from '@faultlab/core/mutants/catalogue';
import { assert, suite } from '@faultlab/test-support';
import { FORCED_TRIGGERS, huntForced } from '@faultlab/workers/mutants/hunt';

const test = suite('mutants/forced');

test('the right model comes through every interleaving', () => {
  for (const trigger of FORCED_TRIGGERS) {
    assert.equal(huntForced(trigger, undefined).caught, undefined, `a false alarm in the trigger of ${trigger.mutants.join(', ')}`);
  }
});

test('every mutant with a forced trigger breaks a rule that its entry names', () => {
  for (const trigger of FORCED_TRIGGERS) {
    for (const id of trigger.mutants) {
      const { caught } = huntForced(trigger, id);
      assert.ok(caught !== undefined, `${id} is not caught`);
      assert.ok(mutantById(id).breaks.includes(caught.by), `${id} breaks ${caught.by}: ${caught.message}`);
    }
  }
});

test('at least 50 mutants have an interleaving that can be carried out again exactly', () => {
  const forced = new Set(FORCED_TRIGGERS.flatMap(({ mutants }) => mutants));
  assert.ok(forced.size >= 50, `there are ${forced.size}`);
  assert.ok(MUTANTS.length >= forced.size);
});

/** Detectors, and the mutant in which each is seen to detect. */
const DETECTORS: readonly (readonly [string, string])[] = [
  ['L01', 'B36'],
  ['L01', 'B22'],
  ['L02', 'B26'],
  ['L03', 'B33a'],
  ['L04', 'B47'],
  ['L05', 'B33c'],
  ['I21', 'B03'],
  ['I21', 'B32-dontneed'],
  ['I27', 'B24'],
  ['I28', 'B12'],
  ['I28', 'B32-remove'],
  ['I06', 'B02'],
  ['I06', 'B09'],
  ['I06', 'B07'],
];

for (const [rule, id] of DETECTORS) {
  test(`${rule} is what ${id} is caught by`, () => {
    const trigger = FORCED_TRIGGERS.find(({ mutants }) => mutants.includes(id));
    assert.ok(trigger !== undefined);
    assert.is(huntForced(trigger, id).caught?.by, rule);
    assert.is(huntForced(trigger, id).caught?.by, rule, 'it is not the same the second time');
  });
}

test.run();

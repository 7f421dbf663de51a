/** Checks of claims are shown figures that hold, that do not, and that leave it open. */
import { assert, suite } from '@faultlab/test-support';
import { CLAIMS, claimsById } from '@faultlab/workers/claims/by_id';
import type { ClaimVerdict } from '@faultlab/workers/claims/claim';
import { FIGURES } from './figures.ts';

const test = suite('claims: checks');

for (const claim of CLAIMS) {
  const cases = FIGURES[claim.id];
  const keys = Object.keys(claim.figures).sort();

  for (const [verdict, base, ...others] of [
    ['held', cases?.held],
    ['not held', cases?.held, ...(cases?.notHeld ?? [])],
    ['undecided', cases?.held, ...(cases?.undecided ?? [])],
  ] as const) {
    const changes: readonly Readonly<Record<string, number>>[] = verdict === 'held' ? [{}] : (others as never);
    changes.forEach((change, number) => {
      test(`${claim.id} is ${verdict}${verdict === 'held' ? '' : `, case ${number + 1}`}`, () => {
        const figures = { ...base, ...change };
        assert.equal(Object.keys(figures).sort(), keys, 'the figures of the case are those of the claim');
        const judged = claim.judge(figures);
        assert.is(judged.verdict, verdict as ClaimVerdict, judged.text);
        assert.not.match(judged.text, /NaN|undefined|Infinity/);
      });
    });
  }

  test(`${claim.id} has cases for each verdict that it can have`, () => {
    assert.ok(cases !== undefined && cases.notHeld.length > 0 && (cases.undecided.length > 0 || claim.decidedBy === 'counts'));
  });
}

test('claims are in order, and each of them is there once', () => {
  assert.equal(
    CLAIMS.map(({ id }) => id),
    [...new Set(CLAIMS.map(({ id }) => Number(id.slice(1))))].sort((a, b) => a - b).map((number) => `C${number}`),
  );
});

test('claims are chosen by their names, in any case and order, in their own order', () => {
  assert.equal(
    claimsById(['c15', 'C1', 'C1']).map(({ id }) => id),
    ['C1', 'C15'],
  );
  assert.equal(claimsById([]).length, CLAIMS.length);
  assert.throws(() => claimsById(['C99']), /^There is no claim "C99"; name some of C1, /);
});

test.run();

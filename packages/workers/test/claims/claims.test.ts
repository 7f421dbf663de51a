/** Claims as a whole: counts for real, rounds and what disturbs them, the file, the page, and the command. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { CLAIMS } from '@faultlab/workers/claims/by_id';
import type { Claim } from '@faultlab/workers/claims/claim';
import { ClaimRuns, InterruptedError, TooBusyError } from '@faultlab/workers/claims/claim_runs';
import {
  type ClaimResult,
  type ClaimsFile,
  changedVerdicts,
  merged,
  readClaimsFile,
  readCommitted,
} from '@faultlab/workers/claims/claims_file';
import { runClaim } from '@faultlab/workers/claims/run_claims';
import { environment } from '@faultlab/workers/environment';
import { claimLines, tally } from '@faultlab/workers/report/claims_report';
import { type Ended, mainHere } from '../soak/fixtures.ts';

const test = suite('claims');
const PATIENT = { deadlineMs: 60_000 };
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** Those whose counts one thread makes. */
const COUNTS = CLAIMS.filter(({ id }) => ['C1', 'C14', 'C15', 'C16'].includes(id));

for (const claim of COUNTS) {
  test(
    `${claim.id}, counted: ${claim.title}`,
    async () => {
      const result = await runClaim(claim, { rounds: 1, seed: 1 });
      assert.is(result.verdict, readCommitted()?.claims.find(({ id }) => id === claim.id)?.verdict, result.text);
      assert.is(result.figures.length, Object.keys(claim.figures).length);
    },
    PATIENT,
  );
}

const cores = (values: readonly number[]): (() => () => number) => {
  let round = 0;
  return () => () => values[round++] ?? 0;
};

test('variants take turns, and rounds in which the host was busy are made again', async () => {
  const runs = new ClaimRuns({ rounds: 3, seed: 1, watch: cores([0.1, 0.9, 0.2, 0.9, 0.3]) });
  const order: string[] = [];
  const samples = await runs.interleaved(['a', 'b'], 0.5, (variant, round) => {
    order.push(variant + round);
    return round;
  });
  assert.equal(order, ['a0', 'b0', 'a1', 'b1', 'a2', 'b2', 'a3', 'b3', 'a4', 'b4']);
  assert.equal(samples, [
    [0, 2, 4],
    [0, 2, 4],
  ]);
  assert.is(runs.othersCores, 0.3);
});

test('a host that is always busy leaves a claim about time undecided, and says why', async () => {
  const busy: Claim = {
    ...(CLAIMS.find(({ decidedBy }) => decidedBy === 'time') as Claim),
    figures: {},
    measure: async (runs) => {
      await runs.interleaved([1], 0.25, () => 0);
      return {};
    },
  };
  const result = await runClaim(busy, { rounds: 3, seed: 1, watch: () => () => 1.5 });
  assert.equal([result.verdict, result.busy, result.figures], ['undecided', true, []]);
  assert.is(
    result.text,
    'Other programs used 1.50 to 1.50 cores while this was measured, and at most 0.25 may be used in at least 3 of 6 rounds.',
  );
  await rejects(
    new ClaimRuns({ rounds: 1, seed: 1, watch: () => () => 1 }).interleaved([1], 0.5, () => 0),
    TooBusyError,
  );
  assert.equal(await new ClaimRuns({ rounds: 1, seed: 1, evenBusy: true, watch: () => () => 1 }).interleaved([1], 0.5, () => 7), [[7]]);
});

test('a figure for which nothing was there leaves a claim undecided', async () => {
  const [first] = CLAIMS;
  const measure = (): ReturnType<Claim['measure']> => Promise.resolve({ oldRetry: 2, oldCompleted: 0 / 0, newRetry: 1, newCompleted: 1 });
  const { verdict, text, figures } = await runClaim({ ...(first as Claim), measure }, { rounds: 1, seed: 1 });
  assert.is(verdict, 'undecided');
  assert.is(text, 'Nothing was there to measure for: pgfault for each page, with COMPLETED.');
  assert.is(figures.length, 3);
});

test('an interrupt ends a claim between two runs', async () => {
  const runs = new ClaimRuns({ rounds: 3, seed: 1, signal: AbortSignal.abort() });
  await rejects(
    runs.interleaved([1], 1, () => 0),
    InterruptedError,
  );
});

const result = (id: string, verdict: ClaimResult['verdict'], busy = false): ClaimResult => ({
  ...{ id, title: 't', claim: 'c', source: 's', setup: 'u', expected: 'e', cannotTell: 'n', decidedBy: 'time' },
  ...{ verdict, text: 'because', busy, seconds: 1.25, othersCores: 0 },
  figures: [{ name: 'rate', unit: '1/s', value: 1234.5678 }],
});
const fileOf = (...claims: ClaimResult[]): ClaimsFile => ({
  ...{ schema: 1, kind: 'claims', parameters: { rounds: 5, seed: 1 }, environment: environment() },
  claims,
});

test('a verdict has changed when another one was committed; a busy host and a new claim change nothing', () => {
  const committed = fileOf(result('C1', 'held'), result('C2', 'held'), result('C3', 'undecided', true), result('C4', 'undecided'));
  const now = [result('C1', 'held'), result('C2', 'undecided', true), result('C3', 'held'), result('C4', 'not held'), result('C5', 'held')];
  assert.equal(changedVerdicts(committed, now), [{ id: 'C4', before: 'undecided', now: 'not held' }]);
  assert.equal(changedVerdicts(undefined, now), []);
  assert.equal(
    merged(fileOf(result('C10', 'held'), result('C2', 'held')), fileOf(result('C2', 'not held'), result('C1', 'held'))).claims.map(
      ({ id, verdict }) => `${id} ${verdict}`,
    ),
    ['C1 held', 'C2 not held', 'C10 held'],
  );
});

test('a result as text, and the last line', () => {
  assert.equal(claimLines(result('C7', 'not held')), ['C7 NOT HELD: t (1.3 s)', '  rate  1235  1/s', '  because']);
  const all = [result('C1', 'held'), result('C2', 'held'), result('C3', 'not held'), result('C4', 'undecided')];
  assert.is(tally(all), 'claims: 2 held, 1 not held, 1 undecided');
});

test('the committed file has every claim as it is worded now, and gives the page', () => {
  const committed = readCommitted();
  assert.equal(
    committed?.claims.map(({ id, title, expected }) => [id, title, expected]),
    CLAIMS.map(({ id, title, expected }) => [id, title, expected]),
  );
  execFileSync(process.execPath, [join(ROOT, 'scripts/claims_page.mjs'), '--check'], { stdio: 'pipe' });
});

const folder = mkdtempSync(join(tmpdir(), 'faultlab-claims-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const claims = (...args: string[]): Promise<Ended> => mainHere(['claims', ...args], folder);

test(
  'the command: verdicts, the file, and exit 1 for a verdict that changed',
  async () => {
    const json = join(folder, 'now.json');
    const good = await claims('C15', 'c1', '--json', json);
    assert.is(good.code, 0, good.errors);
    assert.match(good.out, /^C1 HELD: .*\n(.*\n)*C15 HELD: /);
    assert.match(good.out, /\nclaims: 2 held, 0 not held, 0 undecided\n$/);
    const file = readClaimsFile(json);
    assert.equal(
      file.claims.map(({ id, verdict }) => `${id} ${verdict}`),
      ['C1 held', 'C15 held'],
    );
    writeFileSync(json, JSON.stringify({ ...file, claims: file.claims.map((claim) => ({ ...claim, verdict: 'not held' })) }));
    const changed = await claims('C1', '--against', json);
    assert.is(changed.code, 1);
    assert.match(changed.out, /\nclaim C1 changed: not held before, held now\nclaims: 1 held, /);
  },
  PATIENT,
);

test('what is wrong with the command is said in one sentence', async () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['C99'], /^There is no claim "C99"; name some of C1, .*\n$/],
    [['C1', '--runs', '0'], /^--runs is 0, but it must be a whole number from 1 to 100\.\n$/],
    [['C1', '--json', join(folder, 'no', 'x.json')], /^The folder .* does not exist, .*\n$/],
    [['C1', '--against', join(folder, 'none.json')], /none\.json does not exist; name a file .*\n$/],
    [['C1', '--accept', '--even-busy'], /^--accept and --even-busy exclude each other; .*\n$/],
  ];
  for (const [args, sentence] of cases) {
    const { code, out, errors } = await claims(...args);
    assert.equal([code, out], [2, ''], args.join(' '));
    assert.match(errors, sentence);
  }
});

test('a file that is none of results is refused in one sentence', () => {
  const path = join(folder, 'bad.json');
  for (const [text, why] of [
    ['{', /cannot be read as results of claims \(it is not JSON\)/],
    ['{}', /is not a file of results of claims \(schema: /],
    [JSON.stringify({ ...fileOf(), claims: [{ id: 'C1' }] }), /is not a file of results of claims \(claims\.0\./],
  ] as const) {
    writeFileSync(path, text);
    assert.throws(
      () => readClaimsFile(path),
      (error: unknown) => error instanceof UsageError && why.test(error.message) && !error.message.includes('\n'),
    );
  }
});

async function rejects(promise: Promise<unknown>, wanted: new (...args: never[]) => Error): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, wanted);
}

test.run();

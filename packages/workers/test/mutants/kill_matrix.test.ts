/** The kill matrix: rows, cells, the verdict, and the command around it. */
import { MUTANTS, mutantById } from '@faultlab/core/mutants/catalogue';
import { assert, suite } from '@faultlab/test-support';
import { main } from '@faultlab/workers/cli/main';
import { again } from '@faultlab/workers/lockstep/again';
import { againText, parseAgain } from '@faultlab/workers/lockstep/again_text';
import { killMatrix } from '@faultlab/workers/mutants/kill_matrix';
import { LOCKSTEP_HUNTS } from '@faultlab/workers/mutants/lockstep_hunts';
import { verdictLine } from '@faultlab/workers/mutants/matrix_report';
import { Pace } from '@faultlab/workers/mutants/pace';

const test = suite('mutants/kill_matrix');

const THREADS = { deadlineMs: 120_000 };

async function run(args: readonly string[]): Promise<{ code: number; out: string; errors: string }> {
  const printed = { out: '', errors: '' };
  const sink = (name: 'out' | 'errors') => ({
    write: (text: string) => {
      printed[name] += text;
    },
  });
  const code = await main(args, { out: sink('out'), errors: sink('errors') });
  return { code, ...printed };
}

test(
  'a mutant is caught on free-running threads, and the right model is not',
  async () => {
    const matrix = await killMatrix({
      mutants: [mutantById('B28-anon')],
      engines: ['forced', 'free'],
      seeds: 1,
      seed: 7,
      schedules: 10,
      seconds: 0.5,
    });
    const [row] = matrix.rows;
    assert.is(row?.detected, true);
    assert.equal(
      row?.cells.map(({ way }) => way),
      ['forced', 'free'],
    );
    assert.equal(matrix.falseAlarms, []);
    assert.is(matrix.rightRuns, 2);
    assert.is(verdictLine(matrix), 'mutants: 1 of 1 detected, 0 false alarms');
  },
  THREADS,
);

test(
  'lock-step catches mutants by named triggers, and a machine of its own repeats each catch from its word, operation by operation',
  async () => {
    const ids = ['B28-anon', 'B36', 'B46-twice'];
    const matrix = await killMatrix({
      mutants: ids.map(mutantById),
      engines: ['lockstep'],
      strategies: ['pos'],
      seeds: 1,
      seed: 5,
      schedules: 40,
      seconds: 1,
    });
    assert.equal(matrix.falseAlarms, []);
    assert.equal(matrix.ways, ['lockstep/pos']);
    for (const { mutant, cells, replay } of matrix.rows) {
      assert.equal(
        cells.map(({ runs, caught, exact }) => [runs, caught, exact]),
        [[1, 1, 1]],
        mutant,
      );
      assert.ok(replay !== null && mutantById(mutant).breaks.includes(replay.by), `${mutant}: ${replay?.by}`);
      assert.is(parseAgain(replay.again).mutant, mutant);
    }
    const [row] = matrix.rows;
    const right = await again(againText({ ...parseAgain(row?.replay?.again as string), mutant: '' }));
    assert.is(right.failing, 0, 'the right model fails under the same choices');
    assert.is(matrix.rows.length, ids.length);
  },
  THREADS,
);

test('every mutant of the matrix has a trigger by name, and every entry says what there is to say', () => {
  for (const { id, trigger, breaks, source, drawing, title } of MUTANTS) {
    for (const text of [trigger, source, drawing, title]) assert.ok(text.trim().length > 0, id);
    assert.ok(breaks.length > 0, id);
  }
  const named = new Set(LOCKSTEP_HUNTS.map(({ mutant }) => mutant));
  // A guest of s390: programs have no access as one.
  assert.equal(
    MUTANTS.map(({ id }) => id).filter((id) => !named.has(id)),
    ['B23b', 'B46-nowait'],
  );
});

test('a run that is late keeps to one seed, and one that is not has all of them', () => {
  let nowMs = 0;
  const pace = new Pace(100, () => nowMs);
  pace.phase(2, 0.5);
  assert.is(pace.inTime, true);
  nowMs = 30_000;
  assert.is(pace.inTime, false);
  pace.next();
  assert.is(pace.inTime, true);
  nowMs = 51_000;
  assert.is(pace.inTime, false);
  pace.phase(1, 1);
  assert.is(pace.inTime, true);
});

test('a mutant for which an engine has no trigger is missed by it, and the command says so with exit code 1', async () => {
  const { code, out } = await run(['mutants', 'B27-unmap', 'B33a', '--engine', 'forced']);
  assert.is(code, 1);
  assert.match(out, /missed: B27-unmap/);
  assert.match(out, /\nmutants: 1 of 2 detected, 0 false alarms\n$/);
});

test('an unknown mutant or engine is one sentence and exit code 2', async () => {
  for (const args of [
    ['mutants', 'B99'],
    ['mutants', 'B45'],
    ['mutants', '--engine', 'steam'],
  ]) {
    const { code, out, errors } = await run(args);
    assert.is(code, 2, args.join(' '));
    assert.is(out, '');
    assert.match(errors, /^[^\n]+\n$/);
  }
});

test('the list of mutants has them all, and those that cannot be had', async () => {
  const { code, out } = await run(['list', 'mutants']);
  assert.is(code, 0);
  for (const id of ['B01', 'B53', 'B45', 'B34a']) assert.match(out, new RegExp(`^${id} `, 'm'));
});

test.run();

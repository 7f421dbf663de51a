/** The kill matrix: rows, cells, the verdict, and the command around it. */
import { mutantById } from '@faultlab/core/mutants/catalogue';
import { assert, suite } from '@faultlab/test-support';
import { main } from '@faultlab/workers/cli/main';
import { killMatrix } from '@faultlab/workers/mutants/kill_matrix';
import { verdictLine } from '@faultlab/workers/mutants/matrix_report';

const test = suite('mutants/kill_matrix');

const THREADS = { deadlineMs: 60_000 };

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

test('a mutant for which an engine has no trigger is missed by it, and the command says so with exit code 1', async () => {
  const { code, out } = await run(['mutants', 'B44', 'B33a', '--engine', 'forced']);
  assert.is(code, 1);
  assert.match(out, /missed: B44/);
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

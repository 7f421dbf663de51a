/**
 * A failure on free threads is looked for in lock-step: found, it comes with a line that repeats it exactly; not found, the report says so.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, suite } from '@faultlab/test-support';
import { main } from '@faultlab/workers/cli/main';
import { again } from '@faultlab/workers/lockstep/again';
import { handOver, notFoundLine } from '@faultlab/workers/lockstep/hand_over';
import { scenarioByName } from '@faultlab/workers/scenarios/by_name';

const test = suite('hand-over');

test(
  'a stress run that fails prints and keeps a line that repeats the failure exactly',
  async () => {
    const parent = mkdtempSync(join(tmpdir(), 'faultlab-'));
    try {
      const folder = join(parent, 'failure');
      const [out, errors]: [string[], string[]] = [[], []];
      const args = [
        'stress',
        '--scenario',
        'canary',
        '--cpus',
        '2',
        '--seconds',
        '40',
        '--seed',
        '9',
        '--hunt-seconds',
        '60',
        '--dir',
        folder,
      ];
      const code = await main([...args, '--no-shrink'], {
        out: { write: (text: string) => out.push(text) },
        errors: { write: (text: string) => errors.push(text) },
      });
      const text = out.join('');
      assert.is(code, 1, errors.join(''));
      assert.match(text, /^The same rule, broken in lock-step:$/m);
      assert.match(text, /^In lock-step the same rule broke \(after \d+ schedules?, [\d.]+ s\); this repeats it exactly:$/m);
      assert.match(text, /\nstress: FAILURE .* reason=exclusion\n$/);
      const word = /^ {2}faultlab again (\S+)$/m.exec(text)?.[1] ?? '';
      assert.is(readFileSync(join(folder, 'again.txt'), 'utf8'), `${word}\n`);
      const { first, same } = await again(word);
      assert.ok(same);
      assert.is(first?.invariant, 'exclusion');
    } finally {
      rmSync(parent, { recursive: true });
    }
  },
  { deadlineMs: 120_000 },
);

test(
  'what is not found within the time is told in one line, and what is found instead is no exact replay',
  async () => {
    const options = { policy: 'linux-6.18', arch: 'x86', cpus: 2, seed: 4, verify: true, seconds: 0.2 };
    const nothing = await handOver({ ...options, scenario: scenarioByName('disjoint_anon'), broken: 'I07' });
    assert.equal([nothing.found, nothing.other], [undefined, undefined]);
    assert.match(
      notFoundLine(nothing),
      /^In lock-step it was not found \(\d+ schedules? of 2 CPUs with 10 operations each, [\d.]+ s\), so there is no exact replay\.$/,
    );
    const another = await handOver({ ...options, scenario: scenarioByName('canary'), broken: 'I07' });
    assert.is(another.found, undefined);
    assert.is(another.other?.invariant, 'exclusion');
    assert.match(notFoundLine(another), /no exact replay; exclusion was broken instead: faultlab again ls2:canary:\S+\.$/);
  },
  { deadlineMs: 120_000 },
);

test.run();

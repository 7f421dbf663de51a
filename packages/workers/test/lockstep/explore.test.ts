/**
 * Explorations of scenarios, and the round trip of a failure: it is found, its line is parsed, and the same schedule fails again.
 */

import { assert, suite } from '@faultlab/test-support';
import { main } from '@faultlab/workers/cli/main';
import { again } from '@faultlab/workers/lockstep/again';
import { parseAgain } from '@faultlab/workers/lockstep/again_text';
import { choicesText, parseChoices } from '@faultlab/workers/lockstep/choices';
import { explore } from '@faultlab/workers/lockstep/explore';

const test = suite('explore');

async function faultlab(...args: string[]): Promise<{ code: number; out: string; errors: string }> {
  const [out, errors]: [string[], string[]] = [[], []];
  const code = await main(args, {
    out: { write: (text: string) => out.push(text) },
    errors: { write: (text: string) => errors.push(text) },
  });
  return { code, out: out.join(''), errors: errors.join('') };
}

/** Few operations: the whole of a schedule is some hundred of the funnel's. */
const QUICK = [
  'mprotect_storm',
  'munmap_storm',
  'fork_cow',
  'dontneed_race',
  'uffd_handoff',
  'io_convoy_file',
  'swap_storm',
  'migrate_race',
];

for (const scenario of QUICK) {
  test(
    `${scenario}: the same seed makes the same schedules, and none of them fails`,
    async () => {
      const run = () => explore({ scenario, cpus: 3, count: 2, schedules: 4, seed: 11, strategy: 'pct' });
      const [one, other] = [await run(), await run()];
      assert.is(one.failing, 0, JSON.stringify(one.first?.findings));
      assert.is(one.hash, other.hash);
      assert.is(one.steps, other.steps);
    },
    { deadlineMs: 60_000 },
  );
}

test(
  'a failure is printed, its line is parsed, and it fails again in the same way, operation by operation',
  async () => {
    const found = await faultlab(
      'explore',
      '--scenario',
      'canary',
      '--strategy',
      'random',
      '--seed',
      '5',
      '--schedules',
      '100',
      '--ops',
      '2',
      '--no-dir',
      '--no-shrink',
    );
    assert.is(found.code, 1, found.errors);
    assert.match(found.out, /!!! exclusion broken, found by CPU \d/);
    assert.match(found.out, /\nexplore: \d+ schedules, 1 failing, .* scenario canary, .* strategy random, seed 5\n$/);
    const word = /^ {2}faultlab again (\S+)$/m.exec(found.out)?.[1] ?? '';
    const parsed = parseAgain(word);
    assert.is(parsed.scenario, 'canary');
    assert.is(choicesText(parseChoices(parsed.choices)), parsed.choices);
    const repeated = await faultlab('again', word);
    assert.is(repeated.code, 1, repeated.errors);
    assert.match(repeated.out, /again: failed in the same way, \d+ steps\n$/);
    assert.match(repeated.out, word);
    const other = await again(word.replace(/[^:]*$/, '0'));
    assert.not.ok(other.same);
  },
  { deadlineMs: 60_000 },
);

test('a schedule that is none, and options that do not fit, are refused in one sentence', async () => {
  for (const [args, sentence] of [
    [['again', 'ls1:what'], /must begin with "ls2:" and have 13 parts/],
    [['again', 'nowhere.json'], /is no schedule, and no file with one/],
    [['again', 'ls1:canary:2:linux-6.18:1:1:1:-:ff:1.z'], /must be two numbers of base 36/],
    [['explore', '--scenario', 'nothing'], /There is no scenario "nothing"/],
    [['explore', '--scenario', 'canary', '--strategy', 'luck'], /choose from/],
    [['explore', '--scenario', 'canary', '--strategy', 'rr', '--depth', '3'], /--depth is for pct/],
  ] as const) {
    const { code, out, errors } = await faultlab(...args);
    assert.is(code, 2, args.join(' '));
    assert.is(out, '');
    assert.match(errors, sentence);
    assert.is(errors.trimEnd().split('\n').length, 1);
  }
});

test.run();

/**
 * Shrinking: a planted bug fails after a thousand steps with hundreds of choices, and what is left of it can be read.
 */
import { assert, suite } from '@faultlab/test-support';
import { again } from '@faultlab/workers/lockstep/again';
import { parseAgain } from '@faultlab/workers/lockstep/again_text';
import { explore } from '@faultlab/workers/lockstep/explore';
import { cutsText, parseCuts } from '@faultlab/workers/lockstep/program_cuts';
import { reduce } from '@faultlab/workers/lockstep/reduce';
import { shrink, signatureOf } from '@faultlab/workers/lockstep/shrink';
import { siteOf, withoutNumbers } from '@faultlab/workers/lockstep/site';
import { unusedLayout } from '@faultlab/workers/lockstep/unused_layout';
import { op } from '@faultlab/workers/program/op';
import { laneTrace } from '@faultlab/workers/report/lane_trace';

const test = suite('shrink');

test(
  'a failure of a thousand steps ends in a trace of at most 25 lines, and fails in the same way',
  async () => {
    const { first } = await explore({
      scenario: 'munmap_storm',
      cpus: 3,
      count: 40,
      strategy: 'random',
      schedules: 20,
      seed: 3,
      mutant: 'B41',
    });
    assert.ok(first?.again !== undefined && first.steps > 1000 && first.choices.length > 100, `${first?.steps} steps`);
    const said: string[] = [];
    const { failure, before, after, lanes, again: word, complete } = await shrink(first.again, { onProgress: (line) => said.push(line) });
    assert.ok(complete);
    assert.ok(said.length > 3);
    assert.is(signatureOf(failure), signatureOf(first));
    assert.is(signatureOf(failure), 'I07 at mm_lock_seqcount_begin');
    assert.ok(
      after.ops < before.ops && after.cpus < before.cpus && after.steps * 4 < before.steps && after.choices <= 2,
      JSON.stringify(after),
    );
    const trace = laneTrace(lanes, failure.findings[0], [], Number.POSITIVE_INFINITY);
    assert.ok(trace.length <= 25, trace.join('\n'));
    assert.match(trace.join('\n'), /-- waits: grace period/);
    assert.match(trace.at(-1) as string, /!!! I07: mmap write lock: the sequence was odd already/);
    const repeated = await again(word, { lanes: true });
    assert.ok(repeated.same);
    assert.equal(repeated.lanes, lanes);
    const once = await shrink(word);
    assert.is(once.again, word, 'what cannot be shrunk any more stays as it is');
  },
  { deadlineMs: 120_000 },
);

test('what is left of programs survives as text', () => {
  const text = '0.3.7x1.12_2_l.0.2';
  const cuts = parseCuts(text);
  assert.equal(cuts?.programs.get(0), [{ index: 3 }, { index: 7, size: 1 }, { index: 12 }]);
  assert.equal(cuts?.programs.get(2), []);
  assert.is(cuts?.programs.get(1), undefined);
  assert.equal(cuts?.layout, [0, 2]);
  assert.is(cutsText(cuts), text);
  assert.is(cutsText(parseCuts('-')), '-');
  assert.throws(() => parseCuts('0.x'), /does not say what is left of a program/);
});

test('a word of the first version is read as one without cuts', () => {
  const { arch, cuts, verify, races, mutant, hash } = parseAgain('ls1:munmap_storm:3:linux-6.18:6:7:2711064301:B10:9c0f3a12:12.1-3.0');
  assert.equal(
    { arch, cuts, verify, races, mutant, hash },
    { arch: 'x86', cuts: '-', verify: true, races: false, mutant: 'B10', hash: 0x9c0f3a12 },
  );
});

test('reduce leaves exactly what the test needs', async () => {
  const needed = [3, 17, 18];
  let tries = 0;
  const left = await reduce(
    Array.from({ length: 40 }, (_, index) => index),
    async (candidate) => {
      tries++;
      return needed.every((index) => candidate.includes(index));
    },
  );
  assert.equal(left, needed);
  assert.ok(tries < 80, `${tries} tries`);
  assert.equal(await reduce([1, 2], async () => true), []);
  assert.equal(await reduce([1, 2], async () => false), [1, 2]);
});

test('a site is the innermost function of the model that is no check', () => {
  const stack = [
    'InvariantError: I07: odd',
    '    at invariant (file:///x/packages/core/bundle/all.js:40:15)',
    '    at mm_lock_seqcount_begin$1 (file:///x/packages/core/bundle/all.js:9208:5)',
    '    at sys_munmap (file:///x/packages/core/bundle/all.js:19260:9)',
  ];
  assert.is(siteOf(stack.join('\n')), 'mm_lock_seqcount_begin');
  assert.is(siteOf('Error'), '');
  assert.is(withoutNumbers('folio 12 has 0x1f users'), 'folio n has n users');
});

test('areas that nothing touches are not needed, unless an operation looks at whole address spaces', () => {
  const layout = [op('mmap', 100, 10), op('mmap', 200, 10), op('mprotect', 205, 2), op('sync')];
  assert.equal(unusedLayout(layout, [op('read', 104)]), [1, 2]);
  assert.equal(unusedLayout(layout, [op('munmap', 90, 20), op('mremap', 300, 4, 4, 0, 206)]), []);
  assert.equal(unusedLayout(layout, [op('read', 104), op('adopt')]), []);
});

test.run();

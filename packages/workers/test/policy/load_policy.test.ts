/** --policy: names, modules of the user's own, and one sentence for everything that can be wrong with them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '@faultlab/core/base/errors';
import { POLICIES, policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { loadPolicy } from '@faultlab/workers/policy/load_policy';
import { checkPolicy, FIELDS } from '@faultlab/workers/policy/policy_schema';

const test = suite('policy/load_policy');
const BIN = fileURLToPath(new URL('../../bin/faultlab.mjs', import.meta.url));
const MINE = fileURLToPath(new URL('../../test/policy/fixtures/mine.mjs', import.meta.url));
const REFERENCE = policyByName('linux-6.18');
const GOOD = { ...REFERENCE, name: 'mine', summary: 'a proposal of my own' };

const complaintAbout = (record: unknown): string => {
  try {
    checkPolicy(record, 'The policy of ./mine.js');
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'accepted';
};

const without = (field: string): Record<string, unknown> => Object.fromEntries(Object.entries(GOOD).filter(([name]) => name !== field));

test('a name is one of the named policies', async () => {
  for (const policy of POLICIES) assert.is(await loadPolicy(policy.name, (path) => path), policy);
});

test('a module exports a record, or a function of the named policies', async () => {
  assert.equal(await loadPolicy(MINE, (path) => path), { ...GOOD, fileWait: 'hold' });
});

test('every named policy but for its name would be accepted', () => {
  for (const policy of POLICIES) assert.equal(checkPolicy({ ...policy, name: 'mine' }, 'it'), { ...policy, name: 'mine' });
});

test('a missing field is named, with what it may be', () => {
  for (const field of FIELDS) {
    const complaint = complaintAbout(without(field));
    assert.match(complaint, new RegExp(`^The policy of \\./mine\\.js lacks the field "${field}"; it must be .+\\.$`));
  }
  assert.is(
    complaintAbout(without('fileWait')),
    'The policy of ./mine.js lacks the field "fileWait"; it must be one of "retry", "retry-vma", "hold", "reacquire".',
  );
});

test('an unknown field is named, with the fields that there are', () => {
  const complaint = complaintAbout({ ...GOOD, fileHold: true });
  assert.match(complaint, /^The policy of \.\/mine\.js has the field "fileHold", which no policy has; the fields are name, summary, /);
});

test('an impossible value is named, with the possible ones', () => {
  assert.is(
    complaintAbout({ ...GOOD, vmaLock: 'rcu' }),
    'The policy of ./mine.js has the field "vmaLock", which is "rcu", but it must be one of "none", "rwsem", "refcount".',
  );
  assert.is(
    complaintAbout({ ...GOOD, completed: 1 }),
    'The policy of ./mine.js has the field "completed", which is 1, but it must be true or false.',
  );
  assert.match(complaintAbout({ ...GOOD, name: 'Two Words' }), /"name", which is "Two Words", but it must be one word of small letters/);
  assert.match(complaintAbout({ ...GOOD, name: 'hold' }), /which a policy of this laboratory has; give yours another one\.$/);
  for (const record of [null, 5, 'hold', undefined, [1]])
    assert.ok(complaintAbout(record).startsWith('The policy of ./mine.js '), String(record));
});

const WRONG: readonly (readonly [name: string, text: string, complaint: RegExp])[] = [
  ['broken.mjs', 'export default {', /cannot be loaded \(.+\); correct it and try again\.$/],
  ['empty.mjs', '', /has no default export; export a policy record, or a function that returns one\.$/],
  ['throws.mjs', 'export default () => { throw new Error("no"); };', /threw an error \(no\); correct it and try again\.$/],
  ['field.json', '{"name":"x"}', /lacks the field "summary"; it must be a text\.$/],
];

test('on the command line each mistake is one sentence, and the exit code is 2', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-policy-'));
  try {
    for (const [name, text, complaint] of WRONG) {
      const path = join(folder, name);
      writeFileSync(path, text);
      const { status, stderr, stdout } = spawnSync(process.execPath, [BIN, 'stress', '--policy', path, '--seconds', '1'], {
        encoding: 'utf8',
      });
      assert.is(status, 2, stderr);
      assert.is(stdout, '');
      assert.match(stderr.trimEnd().split('\n').at(-1) as string, complaint);
    }
    const { status, stderr } = spawnSync(process.execPath, [BIN, 'conform', '--policy', join(folder, 'nowhere.mjs'), folder], {
      encoding: 'utf8',
    });
    assert.is(status, 2);
    assert.match(stderr, /There is no policy module .+nowhere\.mjs; name a file, or one of linux-5\.4, /);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a stress run under a policy of the user's own says where it came from", () => {
  const args = ['stress', '--policy', MINE, '--scenario', 'disjoint_anon', '--cpus', '2', '--seconds', '0.3', '--seed', '5'];
  const { status, stdout } = spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' });
  assert.is(status, 0, stdout);
  assert.match(stdout.trimEnd().split('\n').at(-1) as string, /^stress: SUCCESS policy=.+mine\.mjs /);
});

test.run();

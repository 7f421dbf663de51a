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

/** Modules that do not want to be loaded, and what is said of them. */
const HOSTILE: readonly (readonly [text: string, complaint: RegExp])[] = [
  ['for (;;);', /cannot be loaded \(it is not ready after 1\.5 seconds\); correct it and try again\.$/],
  ['export default () => { for (;;); };', /cannot be loaded \(it is not ready after 1\.5 seconds\)/],
  ['await new Promise((resolve) => setTimeout(resolve, 1e9));', /cannot be loaded \(it is not ready after 1\.5 seconds\)/],
  ['export default { get name() { for (;;); } };', /cannot be loaded \(it is not ready after 1\.5 seconds\)/],
  ['process.exit(0);', /cannot be loaded \(it ended its thread, with exit code 0\)/],
  ['export default () => process.exit(7);', /cannot be loaded \(it ended its thread, with exit code 7\)/],
  ['await new Promise(() => {});', /cannot be loaded \(it ended its thread, with exit code 13\)/],
  [
    'Promise.reject(new Error("later\\nand more"));\nawait new Promise((resolve) => setTimeout(resolve, 1e9));',
    /cannot be loaded \(later\)/,
  ],
  ['const all = []; for (;;) all.push(new Array(1e5).fill(all.length));', /cannot be loaded \(/],
  ['import { parentPort } from "node:worker_threads"; parentPort.postMessage("x"); for (;;);', /is no policy; it must be an object/],
  ['import { parentPort } from "node:worker_threads"; parentPort.postMessage(null); for (;;);', /is no policy; it must be an object/],
];

test(
  'a module that loops, leaves, or speaks out of turn is refused in one sentence, and this process goes on',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'faultlab-policy-'));
    try {
      for (const [position, [text, complaint]] of HOSTILE.entries()) {
        const path = join(folder, `hostile-${position}.mjs`);
        writeFileSync(path, text);
        const loading = loadPolicy(path, (same) => same, complaint.source.includes('not ready') ? 1_500 : 20_000);
        const message = await loading.then(
          () => 'accepted',
          (error: Error) => (error instanceof UsageError ? error.message : String(error.stack)),
        );
        assert.match(message, complaint, text);
        assert.not.match(message, /\n/);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  { deadlineMs: 120_000 },
);

test('a module may talk, and leave something running', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-policy-'));
  try {
    const path = join(folder, 'busy.mjs');
    writeFileSync(path, `console.log('hello'); setInterval(() => {}, 1000); export default ${JSON.stringify(GOOD)};`);
    assert.equal(await loadPolicy(path, (same) => same), GOOD);
    const { status, stdout } = spawnSync(process.execPath, [BIN, 'faults', '--policy', path], { encoding: 'utf8' });
    assert.is(status, 0);
    assert.not.match(stdout, /hello/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

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

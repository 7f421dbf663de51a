/** One process at a time works on a result file; whoever is gone is in nobody's way. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { parseSoakFile } from '@faultlab/workers/soak/soak_file';
import { takeSoakLock } from '@faultlab/workers/soak/soak_lock';
import fc from 'fast-check';
import { bounds, changedRecord, laterComplaint, text } from '../bad_input/garbage.ts';
import { faultlab, inFolder, mainHere } from './fixtures.ts';

const test = suite('soak: lock');
const FILE = 'soak.json';
const LOCK = `${FILE}.lock`;

const refusal = async (path: string): Promise<string> =>
  await takeSoakLock(path, FILE).then(
    () => 'taken',
    (error: Error) => (error instanceof UsageError ? error.message : String(error.stack)),
  );

test('a lock is had by one, and given back', () =>
  inFolder(async (folder) => {
    const path = join(folder, FILE);
    const release = await takeSoakLock(path, FILE);
    assert.equal(readdirSync(folder), [LOCK]);
    assert.is(
      await refusal(path),
      `Process ${process.pid} works on ${FILE} already; wait for its end, or end it (kill -INT ${process.pid}), and go on with the file then.`,
    );
    await release();
    assert.equal(readdirSync(folder), []);
    await (await takeSoakLock(path, FILE))();
    assert.equal(readdirSync(folder), []);
  }));

/** What others may have left, and whether it counts. */
const LEFT: readonly (readonly [name: string, text: string, counts: boolean])[] = [
  ['of a process that has ended', JSON.stringify({ pid: spawnSync('true').pid, started: 'x:1', host: hostname() }), false],
  ['of an earlier process of the same number', JSON.stringify({ pid: process.pid, started: 'x:1', host: hostname() }), false],
  ['cut off', '{"pid":', false],
  ['empty', '', false],
  ['of something else', '[1]', false],
  ['of another host', JSON.stringify({ pid: 1, started: 'x:1', host: 'elsewhere' }), true],
];

for (const [name, text, counts] of LEFT) {
  test(`a lock ${name} ${counts ? 'counts' : 'is taken over'}`, () =>
    inFolder(async (folder) => {
      const path = join(folder, FILE);
      writeFileSync(join(folder, LOCK), text);
      if (counts) {
        assert.match(await refusal(path), /^Process 1 of the host elsewhere works on soak\.json, as far as .*soak\.json\.lock says; /);
        assert.is(readFileSync(join(folder, LOCK), 'utf8'), text);
        return;
      }
      await (await takeSoakLock(path, FILE))();
      assert.equal(readdirSync(folder), []);
    }));
}

test('whatever a lock says, it is taken over or refused in one sentence', () =>
  inFolder(async (folder) => {
    const path = join(folder, FILE);
    const owner = fc.record({
      pid: fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -1, 1, process.pid, 2 ** 40)),
      started: text,
      host: fc.oneof(text, fc.constant(hostname())),
    });
    const content = fc.oneof(
      text,
      owner.map((one) => JSON.stringify(one)),
      changedRecord({ pid: process.pid, started: 'x', host: hostname() }).map((one) => JSON.stringify(one) ?? ''),
    );
    await fc.assert(
      fc.asyncProperty(content, async (left) => {
        writeFileSync(join(folder, LOCK), left);
        const said = await laterComplaint(async () => await (await takeSoakLock(path, FILE))());
        if (said !== undefined) assert.match(said, /^Process \d+ (of the host |works on )/);
        assert.equal(readdirSync(folder), said === undefined ? [] : [LOCK]);
      }),
      bounds(300),
    );
  }));

test('of many who come at once to a lock of nobody, one has it', () =>
  inFolder(async (folder) => {
    const path = join(folder, FILE);
    writeFileSync(join(folder, LOCK), '{}');
    const ended = await Promise.all(Array.from({ length: 20 }, () => refusal(path)));
    assert.is(ended.filter((what) => what === 'taken').length, 1, ended.join('\n'));
    assert.ok(ended.every((what) => what === 'taken' || what.startsWith('Process ') || what.includes('comes and goes')));
    assert.equal(readdirSync(folder), [LOCK]);
  }));

test("a takeover that its process did not live to end stands in nobody's way", () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, LOCK), '{}');
    writeFileSync(join(folder, `${LOCK}.takeover`), '{}');
    assert.is(await refusal(join(folder, FILE)), 'taken');
    assert.equal(readdirSync(folder), [LOCK]);
  }));

test('a lock that cannot be written is one sentence', () =>
  inFolder(async (folder) => {
    assert.match(
      await refusal(join(folder, 'no', FILE)),
      /^The file .*soak\.json\.lock could not be written \(ENOENT\); name a result file in/,
    );
  }));

test(
  'a soak that runs cannot be gone on with; after a kill it can, and SIGTERM ends it as an interrupt does',
  () =>
    inFolder(async (folder) => {
      const start = ['stress', '--hours', '1', '--cpus', '2', '--scenario', 'disjoint_anon', '--result', FILE, '--checkpoint', '0.01'];
      const seen: string[] = [];
      const first = await faultlab(start, folder, (child) => {
        void (async () => {
          for (const args of [['--resume', FILE], start.slice(1)]) {
            let ended = await mainHere(['stress', ...args], folder);
            // The first writes of the file may be yet to come.
            while (/^There is no result file/.test(ended.errors)) ended = await mainHere(['stress', ...args], folder);
            seen.push(`${ended.code}: ${ended.errors}`);
          }
          child.kill('SIGKILL');
        })();
      });
      assert.is(first.signal, 'SIGKILL');
      assert.match(seen[0] ?? '', /^2: Process \d+ works on soak\.json already; wait for its end, or end it \(kill -INT \d+\), .*\.\n$/);
      assert.match(seen[1] ?? '', /^2: The file soak\.json is there already, .*\.\n$/);
      assert.equal(readdirSync(folder).sort(), [FILE, LOCK]);
      const second = await faultlab(['stress', '--resume', FILE], folder, (child) => child.kill('SIGTERM'));
      assert.is(second.code, 130, second.errors);
      assert.match(second.out.trimEnd().split('\n').at(-1) ?? '', /^stress: SUCCESS .*interrupted=true$/);
      assert.is(parseSoakFile(readFileSync(join(folder, FILE), 'utf8'), FILE).state, 'interrupted');
      assert.equal(readdirSync(folder), [FILE]);
    }),
  { deadlineMs: 90_000 },
);

test.run();

/**
 * Locks from outside under torture: the two mistakes of published locks and a third are found, the same way each time; right locks pass; what
 * is no lock is refused in one sentence.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { main } from '@faultlab/workers/cli/main';
import { type TortureResult, tortureLock } from '@faultlab/workers/torture/torture_lock';
import { tortureReport, tortureVerdict } from '@faultlab/workers/torture/torture_report';

const test = suite('torture of locks from outside');
/** Every test starts a dozen threads, and on a busy host they take their time. */
const DEADLINE = { deadlineMs: 60_000 };
const fixture = (name: string): URL => new URL(`./fixtures/${name}.js`, import.meta.url);
const LOCKSTEP = { seconds: 0, schedules: 20, seed: 5 };
const FREE = { schedules: 0, seconds: 0.2, seed: 5 };

const report = (result: TortureResult): string => [...tortureReport(result), tortureVerdict(result)].join('\n');
const faults = ({ findings }: TortureResult): string[] => findings.map(({ fault }) => fault);

test(
  'J01, a wait that sleeps while the lock is free, is found in lock-step, the same way each time',
  async () => {
    const [first, second] = [
      await tortureLock(fixture('sleeps_while_free'), LOCKSTEP),
      await tortureLock(fixture('sleeps_while_free'), LOCKSTEP),
    ];
    assert.equal(faults(first), ['lost wake-up'], report(first));
    assert.match(report(first), /asleep on word 0; nobody holds the lock/);
    assert.equal(second, first);
  },
  DEADLINE,
);

test(
  'J02, no preference for writers, is found in lock-step, the same way each time',
  async () => {
    const [first, second] = [
      await tortureLock(fixture('starves_writers'), LOCKSTEP),
      await tortureLock(fixture('starves_writers'), LOCKSTEP),
    ];
    assert.equal(faults(first), ['starvation'], report(first));
    assert.match(report(first), /thread 0 waits to write, asleep on word 0; held by thread/);
    assert.equal(second, first);
  },
  DEADLINE,
);

test(
  'J02 starves its writers when threads run freely, too',
  async () => {
    const result = await tortureLock(fixture('starves_writers'), FREE);
    assert.ok(faults(result).includes('starvation'), report(result));
    assert.match(report(result), /Writes: {2}Total: \d+ {2}Max\/Min: \d+\/\d+ .*Fail: 1 !!!/);
  },
  DEADLINE,
);

test(
  'a lock that looks before it takes lets two in',
  async () => {
    const result = await tortureLock(fixture('lets_two_in'), LOCKSTEP);
    assert.equal(faults(result), ['exclusion'], report(result));
  },
  DEADLINE,
);

for (const name of ['three_states', 'faultlab_mutex', 'faultlab_rw_lock']) {
  test(
    `${name}: a right lock passes, in lock-step and freely`,
    async () => {
      const result = await tortureLock(fixture(name), { ...LOCKSTEP, seconds: FREE.seconds });
      assert.is(result.verdict, 'SUCCESS', report(result));
      assert.ok(result.takesTurns && result.lockstep.length >= 4 && result.lockstep.every(({ schedules }) => schedules > 1));
      assert.ok(
        result.free.every(({ writes }) => writes.total > 0),
        report(result),
      );
    },
    DEADLINE,
  );
}

test(
  'a lock that uses Atomics of its own runs freely only, and the report says so',
  async () => {
    const result = await tortureLock(fixture('own_atomics'), { ...FREE, schedules: 10 });
    assert.is(result.verdict, 'SUCCESS', report(result));
    assert.not.ok(result.takesTurns);
    assert.match(report(result), /lock-step: none; the lock does not use the Atomics object/);
  },
  DEADLINE,
);

async function refusal(source: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'torture-'));
  try {
    const file = join(folder, 'adapter.mjs');
    writeFileSync(file, source);
    await tortureLock(file, FREE);
    return 'it was taken';
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.message;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test(
  'what is no adapter is refused in one sentence',
  async () => {
    assert.match(await refusal('export default 1;'), /must be an object with the functions create and attach/);
    assert.match(await refusal('export default { create() {}, attach() {} };'), /must have a name/);
    assert.match(await refusal("export default { name: 'a', create() {}, attach() {} };"), /must return a SharedArrayBuffer/);
    const half = "export default { name: 'a', create: () => new SharedArrayBuffer(4), attach: () => ({ lock() {} }) };";
    assert.match(await refusal(half), /must return an object with lock and unlock/);
    assert.match(await refusal('export default'), /cannot be used|cannot be loaded/);
  },
  DEADLINE,
);

test(
  'the command says in one sentence that there is no such module, and exits with 2',
  async () => {
    let [out, errors] = ['', ''];
    const code = await main(['torture', '/nowhere/lock.mjs'], {
      out: { write: (text: string) => (out += text) },
      errors: { write: (text: string) => (errors += text) },
    });
    assert.equal([code, out], [2, '']);
    assert.match(errors, /^There is no adapter module .*\n$/);
  },
  DEADLINE,
);

test.run();

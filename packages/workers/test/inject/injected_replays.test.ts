/** Replays and scripts that injections hit agree all the same, or end with a report; and the command line says so. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { StallError, UsageError } from '@faultlab/core/base/errors';
import { policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { conform, DISTURBED } from '@faultlab/workers/conform/conform';
import { conforms, totalsOf } from '@faultlab/workers/conform/conform_result';
import { loadScripts } from '@faultlab/workers/conform/find_scripts';
import { parseInject } from '@faultlab/workers/inject/parse_inject';
import { replayTrace } from '@faultlab/workers/replay/replay_trace';

const test = suite('injected replays');
const BIN = fileURLToPath(new URL('../../bin/faultlab.mjs', import.meta.url));
const GOLDENS = fileURLToPath(new URL('../../test/data/goldens', import.meta.url));
const TRACE = fileURLToPath(new URL('../../test/data/traces/gcc.txt.gz', import.meta.url));
const SLOW = { deadlineMs: 90_000 };

test(
  'a replay that is hit does its operations again, and agrees like any other',
  async () => {
    const inject = parseInject('io_error:rate=5%,alloc_fail:rate=2%,signal:rate=20%,spurious_wake:rate=20%');
    const result = await replayTrace(TRACE, { cold: true, io: 'fixed:20us', inject, seed: 4 });
    assert.equal(result.differences, []);
    assert.is(result.verdict, 'agrees', result.message);
    assert.ok((result.inject?.repeated ?? 0) > 10, `${result.inject?.repeated} operations were done again`);
    assert.match(result.inject?.counts ?? '', /^injected: io_error [1-9]\d*, alloc_fail [1-9]\d*, signal \d+, spurious_wake [1-9]\d*$/);
  },
  SLOW,
);

test('a replay without a device refuses what only a device can do', async () => {
  await replayTrace(TRACE, { inject: parseInject('io_error') }).then(
    () => assert.unreachable(),
    (error: Error) => {
      assert.instance(error, UsageError);
      assert.match(error.message, /^io_error needs a block device, but all pages of files are in memory; add --cold or --io\.$/);
    },
  );
});

/** Some of the recorded scripts: of everything that can be hit. */
const CHOSEN = /^(file-cold-random|swap|shmem|fork-cow|file-shared-write)/;
const scripts = async () => (await loadScripts([GOLDENS], (name) => name)).filter(({ name }) => CHOSEN.test(name.replace(/^.*\//, '')));
const POLICY = policyByName('linux-6.18');

test(
  'scripts that are hit agree up to there, and break nothing afterwards',
  async () => {
    const inject = parseInject('io_error:rate=5%,alloc_fail:rate=15%,signal:rate=20%,spurious_wake:rate=20%,full_swap');
    const result = conform(await scripts(), POLICY, { inject, seed: 2 });
    const totals = totalsOf(result);
    assert.ok(conforms(totals), JSON.stringify(result.differences[0] ?? result.scripts.filter(({ broken }) => broken.length > 0)));
    assert.ok((totals.leftOut.get(DISTURBED) ?? 0) > 0);
    assert.match(result.inject?.counts ?? '', /alloc_fail [1-9]/);
  },
  SLOW,
);

test(
  'scripts whose swap is full keep their pages in memory',
  async () => {
    const swap = (await scripts()).filter(({ name }) => name.includes('swap'));
    const result = conform(swap, POLICY, { inject: parseInject('full_swap:rate=100%'), seed: 1 });
    assert.ok(conforms(totalsOf(result)));
    assert.match(result.inject?.counts ?? '', /^injected: full_swap [1-9]/);
  },
  SLOW,
);

test('a script in which nobody moves any more ends at once, with its line', async () => {
  const loaded = await scripts();
  const ends = (inject: string): string => {
    try {
      conform(loaded, POLICY, { inject: parseInject(inject), seed: 1 });
    } catch (error) {
      assert.instance(error, StallError);
      return (error as Error).message;
    }
    return 'it did not end';
  };
  assert.match(ends('kill_cpu:after=20'), /CPU 0 was stopped by an injection(.|\n)* \((read|write)\)(.|\n)*This was in line \d+: /);
  assert.match(ends('silent_device:after=5'), /stopped answering(.|\n)*I\/O request 6 of device 0(.|\n)*This was in line \d+: /);
});

/** Runs the command line. */
const faultlab = (...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly errors: string }> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [BIN, ...args], { maxBuffer: 1 << 26 }, (_, out, errors) =>
      resolve({ code: child.exitCode ?? -1, out, errors }),
    );
  });

test(
  'the command line: exit code 3 and a line that repeats it, with the injection',
  async () => {
    const quick = ['--cpus', '2', '--seconds', '30', '--seed', '5', '--stall-ms', '4000', '--no-dir', '--no-hunt'];
    const [killed, silent] = await Promise.all([
      faultlab('stress', '--scenario', 'munmap_storm', '--inject', 'kill_cpu:after=10', ...quick),
      faultlab('stress', '--scenario', 'cold_readers', '--inject', 'silent_device:after=3', ...quick),
    ]);
    assert.is(killed.code, 3, killed.out);
    assert.is(silent.code, 3, silent.out);
    assert.match(killed.out, /--scenario munmap_storm .* --inject kill_cpu:cpu=0,thread=program,after=10,point=all\n/);
    assert.match(killed.out, /^injected: kill_cpu 1$/m);
    assert.match(killed.out, /\nstress: FAILURE .* inject=kill_cpu:cpu=0,thread=program,after=10,point=all .*reason=stall\n$/);
    assert.match(silent.out, /I\/O request \d+ of device 0 since/);
  },
  SLOW,
);

test(
  'the command line: a wrong specification is one sentence and exit code 2, before anything runs',
  async () => {
    const [stress, replay, compare, list] = await Promise.all([
      faultlab('stress', '--inject', 'io_error:rate=2'),
      faultlab('replay', TRACE, '--inject', 'nothing'),
      faultlab('conform', GOLDENS, '--inject', 'kill_cpu:cpu=1'),
      faultlab('list', 'injections'),
    ]);
    assert.equal([stress.code, replay.code, compare.code, list.code], [2, 2, 2, 0]);
    for (const { out, errors } of [stress, replay, compare]) {
      assert.is(out, '');
      assert.match(errors, /^[^\n]+\.\n$/);
    }
    assert.match(list.out, /^io_error +rate=0\.1% +requests of a block device fail with EIO$/m);
  },
  SLOW,
);

test.run();

/** A soak whose process is killed: its file is whole each time, and the run goes on. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { assert, suite } from '@faultlab/test-support';
import { parseSoakFile, type SoakFile } from '@faultlab/workers/soak/soak_file';
import { faultsOf } from '@faultlab/workers/stress/stress_totals';
import { faultlab, inFolder } from './fixtures.ts';

const test = suite('soak: kill');
const FILE = 'soak.json';
/** All scenarios of the mix: with so many, slices are short, and writes frequent. */
const HOURS = 0.002;
const START = ['stress', '--hours', String(HOURS), '--cpus', '2', '--seed', '11', '--result', FILE, '--checkpoint', '0.01'];
const GO_ON = ['stress', '--resume', FILE, '--checkpoint', '0.01'];
const KILLS = 10;

const readSoak = (folder: string): SoakFile => parseSoakFile(readFileSync(join(folder, FILE), 'utf8'), FILE);

/** Kills the process in the middle of a write: when the file beside the result appears, for the `nth` time. */
function killInWrite(folder: string, nth: number): (child: ChildProcess) => void {
  return (child) => {
    let seen = 0;
    const watcher = watch(folder, (_, name) => {
      if (name === `${FILE}.part` && ++seen > nth) child.kill('SIGKILL');
    });
    child.on('close', () => watcher.close());
  };
}

const killAfter =
  (ms: number) =>
  (child: ChildProcess): void => {
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    child.on('close', () => clearTimeout(timer));
  };

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? '';

test(
  'a soak that is killed at ten random moments leaves a whole file each time, and goes on to its end',
  () =>
    inFolder(async (folder) => {
      let before: SoakFile | undefined;
      for (let kill = 0; kill < KILLS && before?.state !== 'finished'; kill++) {
        // Half of them at any time, and half while a file is being written.
        const how = kill % 2 === 0 ? killAfter(Math.random() * 1000) : killInWrite(folder, Math.floor(Math.random() * 3));
        const { signal, code, errors } = await faultlab(before === undefined ? START : GO_ON, folder, how);
        assert.ok(signal === 'SIGKILL' || code === 0, errors);
        if (!existsSync(join(folder, FILE))) continue; // Killed before the first slice began: there is nothing to go on with.
        const now = readSoak(folder);
        if (before !== undefined) assertGoesOn(before, now);
        before = now;
      }
      const { code, out, errors } = await faultlab(before === undefined ? START : GO_ON, folder);
      assert.is(code, 0, errors);
      const end = readSoak(folder);
      if (before !== undefined) assertGoesOn(before, end);
      assert.is(end.state, 'finished');
      assert.ok(end.elapsedMs >= HOURS * 3_600_000 - 100);
      assert.is(/ faults=(\d+) violations=0$/.exec(lastLine(out))?.[1], String(faultsOf(end.totals.counters)), out);
    }),
  { deadlineMs: 110_000 },
);

/** What has been kept once is never lost again. */
function assertGoesOn(before: SoakFile, now: SoakFile): void {
  assert.ok(now.slices >= before.slices && now.elapsedMs >= before.elapsedMs && now.totals.wallMs >= before.totals.wallMs);
  assert.ok(faultsOf(now.totals.counters) >= faultsOf(before.totals.counters));
  assert.equal(now.parameters, before.parameters);
  assert.is(now.startedAt, before.startedAt);
}

test.run();

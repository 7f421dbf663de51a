/** A soak as a user meets it: interrupted, gone on with, failed, and given files that are no files of it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, suite } from '@faultlab/test-support';
import { parseSoakFile, type SoakFile } from '@faultlab/workers/soak/soak_file';
import { type Ended, faultlab, inFolder, mainHere } from './fixtures.ts';

const test = suite('soak: command line');
const FILE = 'soak.json';
const start = (hours: number, ...rest: string[]): string[] => [
  ...['stress', '--hours', String(hours), '--cpus', '2', '--seed', '11', '--result', FILE, '--checkpoint', '0.01'],
  ...rest,
];

const readSoak = (folder: string): SoakFile => parseSoakFile(readFileSync(join(folder, FILE), 'utf8'), FILE);
const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? '';

function refusedInOneSentence({ code, out, errors }: Ended, sentence: RegExp): void {
  assert.is(code, 2, `${out}\n${errors}`);
  assert.is(out, '');
  assert.match(errors, sentence);
  assert.is(errors.trimEnd().split('\n').length, 1);
}

test(
  'an interrupt ends a soak with its summary, a whole file and exit code 130, and it goes on from there',
  () =>
    inFolder(async (folder) => {
      const first = await faultlab(start(1, '--scenario', 'disjoint_anon'), folder, (child) => child.kill('SIGINT'));
      assert.is(first.code, 130, first.errors);
      assert.match(first.out, /Memory of the process: .*\nThe sums are in soak\.json\.\n/);
      assert.match(lastLine(first.out), /^stress: SUCCESS .*interrupted=true$/);
      const { state, sessions, slices } = readSoak(folder);
      assert.equal([state, sessions], ['interrupted', 1]);
      assert.equal(readdirSync(folder), [FILE]);
      const second = await faultlab(['stress', '--resume', FILE, '--seed', '11', '--hours', '1'], folder, (child) => child.kill('SIGINT'));
      assert.is(second.code, 130, second.errors);
      assert.match(
        second.out,
        /^stress: 2 CPUs, linux-6\.18, 1:00:00 \(sums in soak\.json\), after 0:00:\d\d of it, seed 11: disjoint_anon\n/,
      );
      const later = readSoak(folder);
      assert.is(later.sessions, 2);
      assert.ok(later.slices >= slices);
    }),
  { deadlineMs: 60_000 },
);

test(
  'a finished soak is reported again and not run again; a new one does not replace its file; other parameters are refused',
  () =>
    inFolder(async (folder) => {
      const first = await faultlab(start(0.0001, '--scenario', 'disjoint_anon'), folder);
      assert.is(first.code, 0, first.errors);
      const text = readFileSync(join(folder, FILE), 'utf8');
      const again = await faultlab(['stress', '--resume', FILE], folder);
      assert.is(again.code, 0, again.errors);
      assert.is(lastLine(again.out), lastLine(first.out));
      refusedInOneSentence(
        await mainHere(start(0.0001), folder),
        /^The file soak\.json is there already, and a new run would replace it; go on with it \(--resume soak\.json\), /,
      );
      const others: readonly (readonly [readonly string[], RegExp])[] = [
        [['--cpus', '3'], /^soak\.json is of a run with --cpus 2, not 3; leave --cpus out, or start a new run/],
        [['--hours', '2'], /^soak\.json is of a run with --hours \(in seconds\) 0\.36, not 7200; /],
        [['--seconds', '2'], /^--resume knows from its file how long the run is; leave --seconds out\.$/m],
        [['--result', 'x.json'], /^--resume goes on with its own file, /],
      ];
      for (const [args, sentence] of others) refusedInOneSentence(await mainHere(['stress', '--resume', FILE, ...args], folder), sentence);
      assert.is(readFileSync(join(folder, FILE), 'utf8'), text);
      assert.equal(readdirSync(folder), [FILE]);
    }),
  { deadlineMs: 60_000 },
);

test(
  'a soak that breaks something says so in its file, looks for it in lock-step, and cannot go on',
  () =>
    inFolder(async (folder) => {
      const args = [
        'stress',
        '--hours',
        '0.02',
        '--cpus',
        '4',
        '--seed',
        '9',
        '--result',
        FILE,
        '--scenario',
        'canary',
        '--dir',
        'failure',
      ];
      const { code, out } = await faultlab(args, folder);
      assert.is(code, 1, out);
      const { state, failed } = readSoak(folder);
      assert.is(state, 'failed');
      assert.match(out, /In lock-step the same rule broke \(after [^)]*\); this repeats it exactly:\n.* {2}faultlab again ls2:canary:/);
      assert.ok(readdirSync(join(folder, 'failure')).includes('params.json'));
      assert.equal([failed?.scenario, failed?.verdict], ['canary', 'failure']);
      assert.match(failed?.report.join('\n') ?? '', /^--- FAILURE: exclusion [^\n]*\n!!! exclusion broken[\s\S]*--scenario canary /);
      refusedInOneSentence(
        await mainHere(['stress', '--resume', FILE], folder),
        /^soak\.json is of a run that ended with a failure in canary, so it cannot go on; /,
      );
    }),
  { deadlineMs: 90_000 },
);

test(
  'a file that is not of a soak, and options that do not go together, are refused in one sentence',
  () =>
    inFolder(async (folder) => {
      writeFileSync(join(folder, FILE), '{"schema":1,"kind":"stress"}');
      const wrong: readonly (readonly [readonly string[], RegExp])[] = [
        [['--resume', FILE], /^soak\.json is not a result that can be gone on with: its kind is "stress", not "soak"; name a file that /],
        [
          ['--resume', 'nowhere.json'],
          /^There is no result file nowhere\.json; name one that faultlab stress --hours has written, or start a new run\.$/m,
        ],
        [['--resume', '.'], /^There is no result file \./],
        [['--hours', '0'], /^--hours is "0", but it must be a number above 0 and up to 168\.$/m],
        [['--hours', '1', '--seconds', '1'], /^--seconds and --hours both say how long the run is; give one of them\.$/m],
        [['--hours', '1', '--result', 'no/x.json'], /^The folder .*no does not exist/],
        [['--seconds', '1', '--checkpoint', '1'], /^--checkpoint is for a run with --hours, /],
        [['--hours', '1', '--cpus', '1', '--scenario', 'uffd_handoff'], /^Scenario uffd_handoff needs \d CPUs, but --cpus is 1; /],
      ];
      for (const [args, sentence] of wrong) refusedInOneSentence(await mainHere(['stress', ...args], folder), sentence);
      assert.equal(readdirSync(folder), [FILE]);
    }),
  { deadlineMs: 60_000 },
);

test.run();

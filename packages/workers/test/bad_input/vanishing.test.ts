/** A folder that is there when a run begins and gone when its result is to be written. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, suite } from '@faultlab/test-support';
import { mainHere } from '../soak/fixtures.ts';
import { withFiles } from './bad_files.ts';

const test = suite('bad input: vanishing folders');

const VANISHING: readonly (readonly [args: readonly string[], lastLine: RegExp])[] = [
  [['stress', '--seconds', '0.2', '--cpus', '1', '--scenario', 'disjoint_anon'], /^stress: SUCCESS /],
  [['conform', 'good.txt'], /^conform: /],
  [['faults', '--policy', 'linux-5.4'], /^faults: \d+ kinds under 1 policies$/],
];

test(
  'when the folder of --json vanishes during the run, the report is complete, one line says so, and nothing is left',
  () =>
    withFiles(async (folder) => {
      for (const [args, last] of VANISHING) {
        const gone = join(folder, 'gone');
        mkdirSync(gone);
        writeFileSync(join(folder, 'good.txt'), 'map 0 8 rw private anon\ntouch 0 w\n');
        const ended = await mainHere([...args, '--json', 'gone/x.json'], folder, () => rmSync(gone, { recursive: true, force: true }));
        rmSync(join(folder, 'good.txt'));
        assert.is(ended.code, 2, ended.errors);
        assert.match(ended.out.trimEnd().split('\n').at(-1) ?? '', last);
        assert.match(
          ended.errors.split('\n').at(-2) ?? '', // Above it may be lines of progress.
          /^The result could not be written to .*gone\/x\.json \(ENOENT\); name a file in a folder that exists and has room\.$/,
        );
      }
    }),
  { deadlineMs: 100_000 },
);

test.run();

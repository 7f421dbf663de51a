/** Files and folders that are no good, at every place where a command takes one. */
import { assert, suite } from '@faultlab/test-support';
import { mainHere } from '../soak/fixtures.ts';
import { checkEnded, FILES, withFiles } from './bad_files.ts';

const test = suite('bad input: files');

/** Every file where every command takes one. */
const FILE_USES: readonly (readonly string[])[] = Object.keys(FILES).flatMap((name) => [
  ['conform', name],
  ['replay', name],
  // A module takes a thread to be refused.
  ...(/\.m?js(on)?$/.test(name) ? [['stress', '--policy', `./${name}`]] : []),
  ['explore', '--scenario', 'canary', '--policy', `./${name}`],
  ['again', name],
  ['report', name],
  ['stress', '--resume', name],
  ['replay', '--io', `list:${name}`, 'trace.txt'],
]);
/** Paths that are no file's. */
const NO_FILES = [
  'folder',
  'nowhere',
  'empty.txt/x',
  'empty.txt/x.txt',
  'empty.txt/x.js',
  '/proc/self/mem',
  'x'.repeat(300),
  `${'x'.repeat(300)}.txt`,
  '.',
];
const FOLDERS = ['folder', '.'];
const PATH_USES: readonly (readonly string[])[] = NO_FILES.flatMap((path) => [
  ['conform', path],
  ['replay', path],
  ['stress', '--policy', `./${path}`],
  ['stress', '--resume', path],
  ['again', path],
  ['report', path],
  ['replay', '--io', `list:${path}`, 'trace.txt'],
]);
const FOLDER_USES: readonly (readonly string[])[] = NO_FILES.filter((path) => !FOLDERS.includes(path)).flatMap((path) => [
  ['stress', '--hours', '1', '--result', `${path}/x`],
  ['faults', '--json', `${path}/x`],
  ['stress', '--export', `${path}/x`],
  ['explore', '--scenario', 'canary', '--json', `${path}/x`],
  ['mutants', 'B33a', '--json', `${path}/x`],
]);

test(
  'a file that is no good is refused by every command that takes one',
  () =>
    withFiles(async (folder) => {
      for (const args of [...FILE_USES, ...PATH_USES, ...FOLDER_USES]) {
        const ended = await mainHere(args, folder);
        checkEnded(args, ended);
        assert.is(ended.code, 2, JSON.stringify(args));
      }
    }),
  { deadlineMs: 100_000 },
);

test.run();

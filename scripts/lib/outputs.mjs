/** Knows which compiled file comes from which source. */

import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { allFilesBelow, packageFolders } from './files.mjs';

const COMPILED = /\.(d\.ts|d\.ts\.map|js|js\.map)$/;

/** The pairs of source and output folders of every project of the workspace. */
export function outputFolders(root) {
  const pairs = packageFolders(root).flatMap((folder) => [
    { source: join(folder, 'src'), output: join(folder, 'dist') },
    { source: join(folder, 'test'), output: join(folder, 'dist-test') },
    { source: join(folder, 'page'), output: join(folder, 'dist-page') },
  ]);
  return [...pairs, { source: join(root, 'examples'), output: join(root, 'examples', 'dist') }];
}

/** The folders with joined modules. */
export function bundleFolders(root) {
  return ['core', 'workers'].map((name) => join(root, 'packages', name, 'bundle'));
}

/** The compiled files below `output` that no file below `source` can have made. */
export function staleOutputs(source, output) {
  return allFilesBelow(output).filter((path) => {
    if (!COMPILED.test(path)) return false;
    return !existsSync(join(source, relative(output, path).replace(COMPILED, '.ts')));
  });
}

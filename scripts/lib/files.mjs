/** Lists files of the repository, without what is installed or built. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const NOT_OURS = new Set(['node_modules', 'dist', 'dist-test', 'bundle', 'coverage', '.git']);

/** Every file of ours below `folder`, as paths that start with `folder`, sorted. An absent folder has no files. */
export function filesBelow(folder) {
  return walk(folder, NOT_OURS);
}

/** Every file below `folder`, whoever made it. */
export function allFilesBelow(folder) {
  return walk(folder, new Set());
}

function walk(folder, passedOver) {
  const entries = entriesOf(folder).filter((entry) => !passedOver.has(entry.name));
  const nested = entries.map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? walk(path, passedOver) : [path];
  });
  return nested.flat().sort();
}

/** The folders with a compiled package: `src` becomes `dist`, and `test` becomes `dist-test`. */
export function packageFolders(root) {
  const inside = entriesOf(join(root, 'packages')).filter((entry) => entry.isDirectory());
  return [join(root, 'test-support'), ...inside.map((entry) => join(root, 'packages', entry.name)).sort()];
}

function entriesOf(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

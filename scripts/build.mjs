/**
 * Builds the workspace: `tsc -b`, silent when all is well, after removing outputs whose source is gone (tsc never does,
 * so an import of a removed module would go on working here and fail in a fresh clone).
 *
 *   node scripts/build.mjs [--clean]
 */

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { outputFolders, staleOutputs } from './lib/outputs.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const clean = process.argv.includes('--clean');

for (const { source, output } of outputFolders(ROOT)) {
  const doomed = clean ? [output] : staleOutputs(source, output);
  for (const path of doomed) rmSync(path, { recursive: true, force: true });
}

if (!clean) {
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  const { status, error } = spawnSync(tsc, ['-b'], { stdio: 'inherit', cwd: ROOT });
  if (error) console.error(`The compiler did not start (${error.message}); run 'npx --yes pnpm@12 install' first.`);
  process.exitCode = status ?? 1;
}

/**
 * Builds the workspace: `tsc -b`, then joined modules for what runs (lib/bundle.mjs). Silent when all is well. Begins by removing outputs whose
 * source is gone (tsc never does, so an import of a removed module would go on working here and fail in a fresh clone).
 *
 *   node scripts/build.mjs [--clean]
 */

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleFolders, outputFolders, staleOutputs } from './lib/outputs.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

function remove(paths) {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
}

async function build() {
  remove(outputFolders(ROOT).flatMap(({ source, output }) => staleOutputs(source, output)));
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  const { status, error } = spawnSync(tsc, ['-b'], { stdio: 'inherit', cwd: ROOT });
  if (error) console.error(`The compiler did not start (${error.message}); run 'npx --yes pnpm@12 install' first.`);
  process.exitCode = status ?? 1;
  if (status !== 0) return;
  const { bundle } = await import('./lib/bundle.mjs'); // needs what install brings
  await bundle(ROOT);
  const { bundlePage } = await import('./lib/bundle_page.mjs');
  await bundlePage(ROOT);
}

if (process.argv.includes('--clean')) remove([...outputFolders(ROOT).map(({ output }) => output), ...bundleFolders(ROOT)]);
else await build();

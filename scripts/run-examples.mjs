/**
 * Runs every example as a reader would, one after the other. An example is good when it ends by itself, with exit code
 * 0, and has printed something.
 *
 *   node scripts/run-examples.mjs [PART...]
 */

import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesBelow } from './lib/files.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DEADLINE_MS = 60_000;

/** Says what is wrong with a run, or nothing. */
function judge({ status, signal, error, stdout }) {
  if (error?.code === 'ETIMEDOUT') return `was not finished after ${DEADLINE_MS} ms`;
  if (status !== 0) return `ended with ${signal ?? `exit code ${status}`}`;
  return stdout.trim() === '' ? 'printed nothing' : '';
}

const parts = process.argv.slice(2);
const sources = filesBelow(join(ROOT, 'examples')).filter((path) => /^\d\d_.*\.ts$/.test(basename(path)));
const chosen = sources.filter((path) => parts.length === 0 || parts.some((part) => basename(path).includes(part)));
if (chosen.length === 0) {
  console.error(`No example has '${parts.join("' or '")}' in its name; the examples are examples/NN_name.ts.`);
  process.exit(2);
}
let bad = 0;
for (const source of chosen) {
  const name = basename(source, '.ts');
  const compiled = join(ROOT, 'examples', 'dist', `${name}.js`);
  const options = { encoding: 'utf8', timeout: DEADLINE_MS, killSignal: 'SIGKILL' };
  const run = spawnSync(process.execPath, ['--enable-source-maps', compiled], options);
  const reason = judge(run);
  if (reason !== '') bad += 1;
  console.log(`--- ${name}${reason === '' ? '' : `: ${reason}`}\n${run.stdout}${run.stderr}`);
}
console.log(`${chosen.length - bad} of ${chosen.length} examples are good`);
process.exitCode = bad === 0 ? 0 : 1;

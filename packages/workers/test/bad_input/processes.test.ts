/** What only real processes show: warnings of Node.js, errors that nobody caught, output streams, an end that does not come. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '@faultlab/test-support';
import type { Ended } from '../soak/fixtures.ts';
import { checkEnded, withFiles } from './bad_files.ts';

const test = suite('bad input: processes');
const BIN = fileURLToPath(new URL('../../bin/faultlab.mjs', import.meta.url));

/** A real process, with the deadline of a hang. @param out where its output goes, when not back here */
function realProcess(args: readonly string[], folder: string, out?: number | 'closed'): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: folder,
      env: { ...process.env, INIT_CWD: folder },
      stdio: ['ignore', typeof out === 'number' ? out : 'pipe', 'pipe'],
      timeout: 45_000,
    });
    const text = { out: '', errors: '' };
    if (out === 'closed') child.stdout?.destroy();
    child.stdout?.on('data', (chunk: Buffer) => {
      text.out += chunk.toString();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      text.errors += chunk.toString();
    });
    child.on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
}

/** What only a process shows: warnings of Node.js, errors that nobody caught, output streams. */
const PROCESSES: readonly (readonly string[])[] = [
  ['stress', '--policy', './policy.json'],
  ['stress', '--policy', './typeless.js'],
  ['faults', '--policy', './throws.mjs'],
  ['conform', '--policy', './leaves.mjs', 'late.txt'],
  ['stress', '--resume', 'deep.json'],
  ['replay', 'cut.txt.gz', '--json', 'folder'],
  ['conform', 'record.txt', '--json', '/proc/x.json'],
  ['\x1b[2J\n'],
];

test(
  'real processes refuse it in the same way',
  () =>
    withFiles(async (folder) => {
      const queue = PROCESSES.map((args) => args);
      const lane = async (): Promise<void> => {
        for (let args = queue.shift(); args !== undefined; args = queue.shift()) {
          const ended = await realProcess(args, folder);
          checkEnded(args, ended);
          assert.is(ended.code, 2, JSON.stringify(args));
        }
      };
      await Promise.all([lane(), lane()]);
    }),
  { deadlineMs: 100_000 },
);

test(
  'output that nobody reads is no mistake, output that does not fit is one',
  async () => {
    const closed = await realProcess(['list', 'scenarios'], tmpdir(), 'closed');
    assert.equal([closed.code, closed.errors], [0, '']);
    const full = openSync('/dev/full', 'w');
    try {
      const { code, errors } = await realProcess(['list', 'scenarios'], tmpdir(), full);
      assert.equal([code, errors], [2, 'The output could not be written (ENOSPC); send it to a place that has room.\n']);
    } finally {
      closeSync(full);
    }
  },
  { deadlineMs: 40_000 },
);

test.run();

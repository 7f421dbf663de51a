/** A soak of a moment in this process, and the command line in another one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { policyByName } from '@faultlab/core/policy/policies';
import { main } from '@faultlab/workers/cli/main';
import { environment } from '@faultlab/workers/environment';
import { scenarioByName } from '@faultlab/workers/scenarios/by_name';
import type { SoakFile } from '@faultlab/workers/soak/soak_file';
import { runSoak, type SoakOptions, type SoakOutcome } from '@faultlab/workers/soak/soak_run';

const BIN = fileURLToPath(new URL('../../bin/faultlab.mjs', import.meta.url));

export interface SmallSoak extends SoakOutcome {
  readonly files: readonly SoakFile[];
  readonly lines: readonly string[];
}

/** @param refuse whether the n-th write fails, from 0 */
export async function smallSoak(
  changes: Partial<SoakOptions> & { seconds: number },
  refuse?: (write: number) => Error | undefined,
): Promise<SmallSoak> {
  const names = ['disjoint_anon', 'fork_cow'];
  const { seconds } = changes;
  const common = { arch: 'x86', cpus: 2, seconds, seed: 7, verify: false };
  const files: SoakFile[] = [];
  const lines: string[] = [];
  let writes = 0;
  const ended = await runSoak({
    ...common,
    scenarios: names.map((name) => scenarioByName(name)),
    parameters: { ...common, policy: 'linux-6.18', policyRecord: policyByName('linux-6.18'), scenarios: names },
    earlier: undefined,
    environment: environment(),
    checkpointMs: 0,
    write: (file) => {
      const refusal = refuse?.(writes++);
      if (refusal !== undefined) return Promise.reject(refusal);
      files.push(JSON.parse(JSON.stringify(file)) as SoakFile);
      return Promise.resolve();
    },
    line: (text) => lines.push(text),
    failureLines: () => ['what broke'],
    ...changes,
  });
  return { ...ended, files, lines };
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly errors: string;
}

/** Runs the command. `whenStarted` is called as soon as it has printed its first line. */
export function faultlab(args: readonly string[], folder: string, whenStarted?: (child: ChildProcess) => void): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: folder,
      env: { ...process.env, INIT_CWD: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (out === '') whenStarted?.(child);
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on('close', (code, signal) => resolve({ code, signal, out, errors }));
  });
}

/** The same in this process, for what runs shortly or not at all. @param onOutput called at each piece of output */
export async function mainHere(args: readonly string[], folder: string, onOutput: () => void = () => {}): Promise<Ended> {
  const text = { out: '', errors: '' };
  const before = process.env['INIT_CWD'];
  process.env['INIT_CWD'] = folder;
  try {
    const code = await main(args, {
      out: {
        write: (more) => {
          text.out += more;
          onOutput();
        },
      },
      errors: { write: (more) => (text.errors += more) },
    });
    return { code, signal: null, ...text };
  } finally {
    if (before === undefined) delete process.env['INIT_CWD'];
    else process.env['INIT_CWD'] = before;
  }
}

/** A folder of its own, which is gone afterwards. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-soak-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

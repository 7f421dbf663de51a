/**
 * Runs one test file and judges it. uvu exits with 0 when a hook throws, when a test throws something that is not an
 * Error, when `.run()` was forgotten and when `.only` was left in, so its summary is read and has to add up.
 */

import { spawn } from 'node:child_process';
import { relative } from 'node:path';

/** How long a process may live after it printed its summary. */
const END_GRACE_MS = 5_000;

const running = new Set();

/** Kills what still runs, with all its children. For the way out after an interruption. */
export function killRunning() {
  for (const child of running) killGroup(child);
}

/**
 * Runs a file, `{ path, missing, lru }`, with reclaim by age on if `lru` says so, and returns `{ name, passed, total, skipped, ms, output, reason }`, where `reason`
 * is empty for a green file. Green is: exit code 0, at least one test, all of them passed, none skipped unless
 * `maySkip`, and a process that ended by itself before the deadline.
 */
export async function runTestFile({ path, missing = '', lru = false }, { deadlineMs, maySkip, endGraceMs = END_GRACE_MS }) {
  const name = `${relative(process.cwd(), path)}${lru ? ' (lru on)' : ''}`;
  if (missing !== '') return { name, passed: 0, total: 0, skipped: 0, ms: 0, output: '', reason: missing };
  const startedAt = performance.now();
  const run = await execute(path, deadlineMs, endGraceMs, lru ? { FAULTLAB_LRU: '1' } : {});
  const summary = readSummary(run.output);
  return {
    name,
    passed: summary?.passed ?? 0,
    total: summary?.total ?? 0,
    skipped: summary?.skipped ?? 0,
    ms: performance.now() - startedAt,
    output: run.output,
    reason: judge(run, summary, maySkip),
  };
}

function judge({ ended, killed }, summary, maySkip) {
  if (killed !== '') return killed;
  if (ended !== 0) return `ended with ${typeof ended === 'number' ? `exit code ${ended}` : ended}`;
  if (summary === undefined) return 'printed no summary (is the .run() at the end missing?)';
  if (summary.passed !== summary.total)
    return `only ${summary.passed} of ${summary.total} passed, although uvu exited with 0 (a hook threw, or a non-Error was thrown)`;
  if (summary.total === 0) return 'ran no test';
  if (summary.skipped > 0 && !maySkip) return `${summary.skipped} skipped (is there a left-over .only?), which CI does not allow`;
  return '';
}

/** The numbers of the last summary that uvu printed, or undefined. */
function readSummary(output) {
  const last = (label) => [...output.matchAll(new RegExp(`^  ${label}:\\s+(\\d+)$`, 'gm'))].at(-1)?.[1];
  const [total, passed, skipped] = ['Total', 'Passed', 'Skipped'].map(last);
  if (total === undefined || passed === undefined || skipped === undefined) return undefined;
  return { total: Number(total), passed: Number(passed), skipped: Number(skipped) };
}

/**
 * Runs the file in a process group of its own, so that a kill takes its children along. Returns the exit code or the
 * signal as `ended`, and in `killed` why this runner killed it, if it did.
 */
function execute(path, deadlineMs, endGraceMs, position) {
  const child = spawn(process.execPath, [path], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...position, FORCE_COLOR: '0' },
  });
  running.add(child);
  let output = '';
  let killed = '';
  let grace;
  const kill = (why) => {
    killed ||= why;
    killGroup(child);
  };
  const deadline = setTimeout(() => kill(`killed: it was not finished after ${deadlineMs} ms`), deadlineMs);
  const collect = (chunk) => {
    output += chunk;
    if (grace === undefined && readSummary(output) !== undefined) {
      const why = `killed: its process did not end within ${endGraceMs} ms of its last test (a live worker, an open handle?)`;
      grace = setTimeout(() => kill(why), endGraceMs);
    }
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      clearTimeout(deadline);
      clearTimeout(grace);
      running.delete(child);
      resolve({ output, killed, ended: code ?? signal });
    });
  });
}

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

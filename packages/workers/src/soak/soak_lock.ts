/**
 * One process works on a result file at a time. It leaves a file beside it that says who it is; one that is left of a process which is no more
 * says nothing to anybody.
 *
 *   FILE.lock   { "pid": 4711, "started": "1b7c...:885301", "host": "lab" }
 *
 * The number of a process is used again some day, so its start belongs to its name: the boot of the host and the clock tick of the start.
 * Whoever finds a lock of nobody replaces it in one step, and only with a second lock, FILE.lock.takeover:
 *
 *   A                                         B                                         C
 *   1 reads a lock of nobody                  2 reads the same
 *                                             3 removes it, takes the lock
 *   4 removes what is there: B's                                                        5 takes the lock  <- decides: without step 4 there is no gap
 *
 * Next: soak_run.ts
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { UsageError } from '@faultlab/core/base/errors';
import * as v from 'valibot';

const LOCK = v.strictObject({ pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)), started: v.string(), host: v.string() });
type Owner = v.InferOutput<typeof LOCK>;

/** Somebody may take a lock over at the same moment; it is tried again then. */
const TRIES = 20;
/** How long another one has for taking a lock over. */
const TAKEOVER_MS = 5;

/**
 * Takes the lock of a result file. @param file what the user calls it
 * @returns what gives the lock back, which does not fail @throws UsageError when another process has it, or when it cannot be written
 */
export async function takeSoakLock(path: string, file: string): Promise<() => Promise<void>> {
  const lock = `${path}.lock`;
  const mine = `${lock}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const text = `${JSON.stringify({ pid: process.pid, started: startOf(process.pid) ?? '', host: hostname() } satisfies Owner)}\n`;
  try {
    await writeFile(mine, text, { flag: 'wx' });
    for (let tries = 0; tries < TRIES; tries++) {
      if (await takes(() => link(mine, lock))) {
        return () => releaseIf(lock, text);
      }
      const other = await readFile(lock, 'utf8').catch(() => undefined);
      if (other === undefined) continue; // Given back just now.
      const owner = ownerOf(other);
      if (owner !== undefined && isAlive(owner)) throw new UsageError(inUse(owner, file, lock));
      if (await takesOver(lock, mine, other)) return () => releaseIf(lock, text);
    }
    throw new UsageError(`The file ${lock} comes and goes; wait until nobody works on ${file} any more.`);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code = (error as Error).message } = error as NodeJS.ErrnoException;
    throw new UsageError(`The file ${lock} could not be written (${code}); name a result file in a folder that may be written to.`);
  } finally {
    await rm(mine, { force: true }).catch(() => undefined);
  }
}

function inUse({ pid, host }: Owner, file: string, lock: string): string {
  if (host !== hostname()) {
    return `Process ${pid} of the host ${host} works on ${file}, as far as ${lock} says; wait for its end, or remove that file if it has ended.`;
  }
  return `Process ${pid} works on ${file} already; wait for its end, or end it (kill -INT ${pid}), and go on with the file then.`;
}

/** @returns false when something of that name is there */
async function takes(make: () => Promise<void>): Promise<boolean> {
  try {
    await make();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Puts the file `mine` in the place of a lock that says `stale`. @returns false when it says something else by now, or another one is at it */
async function takesOver(lock: string, mine: string, stale: string): Promise<boolean> {
  const guard = `${lock}.takeover`;
  if (!(await takes(() => link(mine, guard)))) {
    const other = await readFile(guard, 'utf8').catch(() => undefined);
    const owner = other === undefined ? undefined : ownerOf(other);
    if (other !== undefined && (owner === undefined || !isAlive(owner))) await removeStale(guard, `${mine}.stale`, other);
    else await setTimeout(TAKEOVER_MS);
    return false;
  }
  try {
    if ((await readFile(lock, 'utf8').catch(() => undefined)) !== stale) return false;
    await rename(mine, lock); // Of nobody until now, and nobody else may replace it: there is no moment without a lock.
    return true;
  } finally {
    await rm(guard, { force: true }).catch(() => undefined);
  }
}

/** Removes a takeover that says `stale`, of a process that died in the middle, and puts back one that says anything else. */
async function removeStale(lock: string, aside: string, stale: string): Promise<void> {
  try {
    await rename(lock, aside);
    if ((await readFile(aside, 'utf8')) !== stale) await takes(() => link(aside, lock));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // Somebody else was first.
  } finally {
    await rm(aside, { force: true }).catch(() => undefined);
  }
}

async function releaseIf(lock: string, text: string): Promise<void> {
  const there = await readFile(lock, 'utf8').catch(() => undefined);
  if (there === text) await rm(lock, { force: true }).catch(() => undefined);
}

/** @returns undefined for a text that no process has written in full */
function ownerOf(text: string): Owner | undefined {
  try {
    const parsed = v.safeParse(LOCK, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

/** Of a process on another host nothing is known, so it counts as alive. */
function isAlive({ pid, started, host }: Owner): boolean {
  if (host !== hostname()) return true;
  const now = startOf(pid);
  if (now !== undefined) return now === started;
  if (startOf(process.pid) !== undefined) return false; // This system would know.
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const FIELD_STARTTIME = 22;

/** When a process was started, as a text that no other process of this number has; undefined when there is none, or the system does not say. */
function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program, in brackets, may hold anything.
    const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${boot}:${rest[FIELD_STARTTIME - 3]}`;
  } catch {
    return undefined;
  }
}

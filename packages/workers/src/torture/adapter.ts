/**
 * What a lock from outside looks like to the torture: a module whose default export says how to make the lock, and how one thread uses it.
 *
 *   export default {
 *     name: 'my mutex',
 *     create: () => new SharedArrayBuffer(4),
 *     attach(buffer, { atomics }) {
 *       const word = new Int32Array(buffer);
 *       return {
 *         lock() { while (atomics.compareExchange(word, 0, 0, 1) !== 0) atomics.wait(word, 0, 1); },
 *         unlock() { atomics.store(word, 0, 0); atomics.notify(word, 0, 1); },
 *       };
 *     },
 *   };
 *
 * Next: torture_lock.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { StepGate } from '@faultlab/core/memory/step_gate';

/** What a lock may use of Atomics, with the same arguments and results; arrays of other kinds work as well, as with Atomics. */
export interface AtomicsLike {
  load(array: Int32Array, index: number): number;
  store(array: Int32Array, index: number, value: number): number;
  add(array: Int32Array, index: number, value: number): number;
  sub(array: Int32Array, index: number, value: number): number;
  and(array: Int32Array, index: number, value: number): number;
  or(array: Int32Array, index: number, value: number): number;
  xor(array: Int32Array, index: number, value: number): number;
  exchange(array: Int32Array, index: number, value: number): number;
  compareExchange(array: Int32Array, index: number, expected: number, value: number): number;
  wait(array: Int32Array, index: number, seen: number, timeoutMs?: number): 'ok' | 'not-equal' | 'timed-out';
  notify(array: Int32Array, index: number, count?: number): number;
  isLockFree(bytes: number): boolean;
  /** The thread waits in a loop. */
  pause(): void;
}

/** What a lock is told of the thread that is going to use it. */
export interface TortureThread {
  /** From 0. */
  readonly index: number;
  readonly threads: number;
  /** In place of `Atomics`. A lock that uses nothing else is explored in lock-step, too. */
  readonly atomics: AtomicsLike;
  /** Milliseconds; in lock-step they are counted. */
  now(): number;
  /** For locks that take turns by themselves, as those of LockSpace do: the gate over their words; null when threads run freely. */
  gate(words: Int32Array): StepGate | null;
}

/** One holder at a time. */
export interface ExclusiveLock {
  /** Waits until it is this thread's. What it returns is ignored. */
  lock(): unknown;
  unlock(): unknown;
  /** Does not wait. @returns whether the thread holds the lock now */
  tryLock?(): unknown;
}

/** Many readers, or one writer. */
export interface ReadWriteLock {
  lockRead(): unknown;
  unlockRead(): unknown;
  lockWrite(): unknown;
  unlockWrite(): unknown;
  tryLockRead?(): unknown;
  tryLockWrite?(): unknown;
}

/** The default export of an adapter module. */
export interface LockAdapter<Shared = unknown> {
  readonly name: string;
  /** A lock that nobody holds: its SharedArrayBuffer, or any plain data with shared memory in it. */
  create(threads: number): Shared;
  /** The lock as one thread uses it; called on that thread, in lock-step again for each schedule. */
  attach(shared: Shared, thread: TortureThread): ExclusiveLock | ReadWriteLock;
}

export type LockKind = 'exclusive' | 'readers-writer';

const EXCLUSIVE = ['lock', 'unlock'] as const;
const READ_WRITE = ['lockRead', 'unlockRead', 'lockWrite', 'unlockWrite'] as const;
const NAME_MAX = 60;

const has = (value: unknown, names: readonly string[]): boolean =>
  typeof value === 'object' && value !== null && names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');

/** @param where as the user named the module @throws UsageError saying what is missing */
export function checkAdapter(value: unknown, where: string): LockAdapter {
  if (!has(value, ['create', 'attach'])) {
    throw new UsageError(`The default export of ${where} must be an object with the functions create and attach; see docs/TORTURE.md.`);
  }
  const { name } = value as { readonly name?: unknown };
  if (typeof name !== 'string' || name.trim() === '' || name.length > NAME_MAX) {
    throw new UsageError(`The adapter of ${where} must have a name of 1 to ${NAME_MAX} characters; give it one.`);
  }
  return value as LockAdapter;
}

/** @throws UsageError when it is no lock */
export function kindOf(lock: unknown, where: string): LockKind {
  if (has(lock, READ_WRITE)) return 'readers-writer';
  if (has(lock, EXCLUSIVE)) return 'exclusive';
  throw new UsageError(
    `attach of ${where} must return an object with ${EXCLUSIVE.join(' and ')}, or with ${READ_WRITE.join(', ')}; see docs/TORTURE.md.`,
  );
}

/** Loads the adapter of a module, on the thread that is to use it. @throws UsageError */
export async function loadAdapter(href: string, where: string): Promise<LockAdapter> {
  const loaded = (await import(href)) as { readonly default?: unknown };
  return checkAdapter(loaded.default, where);
}

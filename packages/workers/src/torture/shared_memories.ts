/**
 * The shared memory in what an adapter's create() returned: all of it, so that it can be put back between two schedules, and so that a word
 * has one number on all threads.
 */
import { UsageError } from '@faultlab/core/base/errors';

const DEPTH_MAX = 8;

/** All shared buffers in the value, in an order that is the same on every thread. @throws UsageError when there is none */
export function sharedMemories(value: unknown, where: string): SharedArrayBuffer[] {
  const found: SharedArrayBuffer[] = [];
  collect(value, found, 0);
  if (found.length === 0) {
    throw new UsageError(
      `create of ${where} must return a SharedArrayBuffer, or data with one in it; nothing shared was found in what it returned.`,
    );
  }
  return found;
}

function collect(value: unknown, found: SharedArrayBuffer[], depth: number): void {
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return;
  const buffer = bufferOf(value);
  if (buffer !== undefined) {
    if (!found.includes(buffer)) found.push(buffer);
    return;
  }
  for (const key of Object.keys(value).sort()) collect((value as Record<string, unknown>)[key], found, depth + 1);
}

function bufferOf(value: object): SharedArrayBuffer | undefined {
  if (value instanceof SharedArrayBuffer) return value;
  // Arrays, and memories of WebAssembly.
  const { buffer } = value as { readonly buffer?: unknown };
  return buffer instanceof SharedArrayBuffer ? buffer : undefined;
}

/** The bytes as they are now, to be put back. */
export class SavedMemories {
  readonly #memories: readonly Uint8Array[];
  readonly #saved: readonly Uint8Array[];

  constructor(memories: readonly SharedArrayBuffer[]) {
    this.#memories = memories.map((memory) => new Uint8Array(memory));
    this.#saved = this.#memories.map((memory) => memory.slice());
  }

  restore(): void {
    this.#memories.forEach((memory, index) => {
      memory.set(this.#saved[index] as Uint8Array);
    });
  }
}

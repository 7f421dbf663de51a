/**
 * The machine instructions under the funnel: one atomic operation each, on a byte address.
 * Two implementations with the same results: a WebAssembly module of a few hundred bytes (fast: V8 calls it directly, and the
 * machine instruction is inside), and plain Atomics for any SharedArrayBuffer that is not the buffer of a WebAssembly.Memory.
 * Next: memory/atomic.ts gives them names and takes the turn in lock-step.
 */

import { instantiate, type SharedWasmMemory } from './atomic_wasm.ts';
import type { SharedWords } from './shared_words.ts';

/** Every operation is sequentially consistent. Read-modify-writes return the value BEFORE. Addresses are bytes. */
export interface AtomicOps {
  readonly load: (byte: number) => number;
  readonly store: (byte: number, value: number) => void;
  readonly add: (byte: number, value: number) => number;
  readonly and: (byte: number, value: number) => number;
  readonly or: (byte: number, value: number) => number;
  readonly xchg: (byte: number, value: number) => number;
  readonly cmpxchg: (byte: number, expected: number, value: number) => number;
  /** Adds 1 unless the word is 0 or, as a signed number, at or above the limit. Returns the value before in all cases. */
  readonly incNotZeroLimited: (byte: number, limit: number) => number;
}

/** Fast operations on the memory of a shared WebAssembly.Memory. One instance per thread. */
export function wasmAtomicOps(memory: SharedWasmMemory): AtomicOps {
  const exported = instantiate(memory);
  return {
    load: exported.load,
    store: exported.store,
    add: exported.add,
    and: exported.and,
    or: exported.or,
    xchg: exported.xchg,
    cmpxchg: exported.cmpxchg,
    incNotZeroLimited: exported.incNotZeroLimited,
  };
}

/** The same operations for any shared array. */
export function plainAtomicOps(words: SharedWords): AtomicOps {
  return {
    load: (byte) => Atomics.load(words, byte >>> 2),
    store: (byte, value) => {
      Atomics.store(words, byte >>> 2, value);
    },
    add: (byte, value) => Atomics.add(words, byte >>> 2, value),
    and: (byte, value) => Atomics.and(words, byte >>> 2, value),
    or: (byte, value) => Atomics.or(words, byte >>> 2, value),
    xchg: (byte, value) => Atomics.exchange(words, byte >>> 2, value),
    cmpxchg: (byte, expected, value) => Atomics.compareExchange(words, byte >>> 2, expected, value),
    incNotZeroLimited: (byte, limit) => {
      const index = byte >>> 2;
      let before = Atomics.load(words, index);
      for (;;) {
        if (before === 0 || before >= limit) return before;
        const seen = Atomics.compareExchange(words, index, before, before + 1);
        if (seen === before) return before;
        before = seen;
      }
    },
  };
}

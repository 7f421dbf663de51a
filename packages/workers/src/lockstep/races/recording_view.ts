/**
 * The arena as one CPU sees it while races are looked for: the same words, through views that tell the detector of every plain access. The
 * operations of the funnel do not pass through the views (READ_ONCE and WRITE_ONCE do, and the detector knows them by the turn that they took).
 * Next: race_detector.ts
 */
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { type SharedWords, WORD_BYTES } from '@faultlab/core/memory/shared_words';
import { exemptWords } from './exempt.ts';

/** Who is told. Words are those of the arena, whichever view they were reached by. */
export interface AccessObserver {
  plainRead(word: number): void;
  plainWrite(word: number): void;
}

/** The memory with recording views in place of its own; everything else is shared with the original. */
export function recordedMemory(memory: SharedMemory, detector: AccessObserver): SharedMemory {
  const observer = withoutExempt(memory, detector);
  const recorded = Object.assign(Object.create(Object.getPrototypeOf(memory)), memory) as Record<string, unknown>;
  for (const [name, value] of Object.entries(memory)) {
    if (value instanceof Int32Array) recorded[name] = recordingView(value as SharedWords, observer);
  }
  return recorded as unknown as SharedMemory;
}

function withoutExempt(memory: SharedMemory, detector: AccessObserver): AccessObserver {
  const exempt = exemptWords(memory.layout);
  return {
    plainRead(word) {
      if (!exempt(word)) detector.plainRead(word);
    },
    plainWrite(word) {
      if (!exempt(word)) detector.plainWrite(word);
    },
  };
}

/** A stand-in for an array of words. Methods that touch ranges tell of each word. */
export function recordingView(words: SharedWords, observer: AccessObserver): SharedWords {
  const base = words.byteOffset / WORD_BYTES;
  const ranges = rangeMethods(words, base, observer);
  return new Proxy(words, {
    get(target, key) {
      const index = indexOf(key);
      if (index >= 0) {
        observer.plainRead(base + index);
        return target[index];
      }
      const method = ranges[key as keyof typeof ranges];
      if (method !== undefined) return method;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set(target, key, value) {
      const index = indexOf(key);
      if (index < 0) return Reflect.set(target, key, value, target);
      observer.plainWrite(base + index);
      target[index] = value as number;
      return true;
    },
  });
}

const DIGIT_0 = 48;
const DIGIT_9 = 57;

function indexOf(key: string | symbol): number {
  if (typeof key !== 'string') return -1;
  const first = key.charCodeAt(0);
  return first >= DIGIT_0 && first <= DIGIT_9 ? Number(key) : -1;
}

/** Those that the model uses. Another one would go unseen, so it is refused. */
function rangeMethods(words: SharedWords, base: number, observer: AccessObserver): Record<string, unknown> {
  const each = (from: number, to: number, tell: (word: number) => void): void => {
    for (let index = from; index < to; index++) tell(base + index);
  };
  const read = (word: number): void => observer.plainRead(word);
  const write = (word: number): void => observer.plainWrite(word);
  const refused = (name: string) => (): never => {
    throw new Error(`recordingView: ${name}() is not recorded; add it beside the methods that are.`);
  };
  return {
    fill(value: number, from = 0, to: number = words.length): SharedWords {
      each(from, to, write);
      return words.fill(value, from, to);
    },
    copyWithin(target: number, from: number, to: number = words.length): SharedWords {
      each(from, to, read);
      each(target, target + (to - from), write);
      return words.copyWithin(target, from, to);
    },
    subarray: (from = 0, to: number = words.length): SharedWords => recordingView(words.subarray(from, to), observer),
    slice(from = 0, to: number = words.length): Int32Array {
      each(from, to, read);
      return words.slice(from, to);
    },
    set(values: ArrayLike<number>, at = 0): void {
      each(at, at + values.length, write);
      words.set(values, at);
    },
    ...Object.fromEntries(['sort', 'reverse', 'map', 'forEach', 'reduce', 'indexOf'].map((name) => [name, refused(name)])),
  };
}

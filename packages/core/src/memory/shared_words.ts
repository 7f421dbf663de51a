/**
 * Shared words: the only kind of array the model knows. An Int32Array over an unshared buffer does not compile as one.
 * Next: memory/atomic.ts
 */
export type SharedWords = Int32Array<SharedArrayBuffer>;

export const WORD_BYTES = 4;
/** Words that fill one cache line. Words that different CPUs write often do not share one. */
export const LINE_WORDS = 16;

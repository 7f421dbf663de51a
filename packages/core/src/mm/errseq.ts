/**
 * An error and how often it was told: a word that keeps the last error of a file, and lets each open file tell it once.
 *
 *   31 ........ 13 | 12 seen | 11 .... 0 errno
 *   counts errors  | somebody has been told this value
 *
 *   end of an I/O                             caller A                       caller B
 *   1 value 1: EIO
 *                                             2 has seen 0: told EIO, has
 *                                               seen 1, marks it as seen
 *   3 the value was seen: a new one, 2: EIO
 *                                             4 has seen 1: told EIO         5 has seen 0: told EIO, once for 1 and 2
 *
 * As long as nobody has seen a value, a further error needs no new one, so the counter does not run while nobody asks.
 * @kernel lib/errseq.c
 * @fidelity faithful
 * Next: mm/address_space.ts keeps one for each file, io/writeback.ts asks it
 */
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, atomic_read } from '../memory/atomic.ts';

const ERRSEQ_SEEN = 1 << 12;
const ERRSEQ_CTR_INC = 1 << 13;
const MAX_ERRNO = 0xfff;

const errnoOf = (value: number): number => ((value & MAX_ERRNO) === 0 ? 0 : -(value & MAX_ERRNO));
/** A value with that errno (0 or negative) that differs from `old` where somebody may have seen that. */
const next = (old: number, errno: number): number => {
  const value = (old & ~(MAX_ERRNO | ERRSEQ_SEEN)) | -errno;
  return (old & ERRSEQ_SEEN) === 0 ? value : (value + ERRSEQ_CTR_INC) | 0;
};

/** Keeps an error for whoever asks next. @param errno negative. Never sleeps @kernel errseq_set() */
export function errseq_set(cpu: Cpu, word: Word, errno: number): void {
  for (let old = atomic_read(cpu, word); ; ) {
    const value = next(old, errno);
    if (value === old) return;
    const before = atomic_cmpxchg(cpu, word, old, value); // Full. Pairs with: errseq_check_and_advance().
    if (before === old) return;
    old = before;
  }
}

/** What whoever opens a file has seen: errors that somebody was told, not one that nobody was. @kernel errseq_sample() */
export function errseq_sample(cpu: Cpu, word: Word): number {
  const value = atomic_read(cpu, word); // Pairs with: errseq_set().
  return (value & ERRSEQ_SEEN) === 0 ? 0 : value;
}

/** The errno, if there was an error since `since`, and what is seen from now on. @kernel errseq_check_and_advance() */
export function errseq_check_and_advance(cpu: Cpu, word: Word, since: number): { readonly errno: number; readonly since: number } {
  const old = atomic_read(cpu, word); // Pairs with: errseq_set().
  if (old === since) return { errno: 0, since };
  const seen = old | ERRSEQ_SEEN;
  if (seen !== old) atomic_cmpxchg(cpu, word, old, seen); // An error that comes in between is told the next time. Pairs with: errseq_set().
  return { errno: errnoOf(seen), since: seen };
}

/** The word of a record that is used again: no error, and no value that anybody has seen before. Ours */
export const errseqRenewed = (old: number): number => next(old | ERRSEQ_SEEN, 0) | ERRSEQ_SEEN;

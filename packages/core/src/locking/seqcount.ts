/**
 * A sequence count: the writer makes it odd, changes things, makes it even; a reader that saw the same even number before and after has
 * read a consistent state. Readers write nothing. Writers are serialised by a lock of their own.
 *
 *   reader                                writer
 *   1 seq is 4
 *   2 reads a
 *                                         3 seq = 5, writes a and b, seq = 6
 *   4 reads b
 *   5 seq is 6, not 4  <- decides: throw it away and read again
 *
 * @kernel include/linux/seqlock.h (seqcount_t)
 * @fidelity reduced: sequential consistency instead of barriers
 * Next: mm/mmap_lock.ts uses one as mm_lock_seq
 */
import { assert } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read, atomic_set } from '../memory/atomic.ts';
import { beginWait, endWait, park } from '../memory/park.ts';
import { WAIT_ORDER } from '../memory/percpu.ts';
import { cpu_relax, spinLooks } from './cpu_relax.ts';

/** All zero is "even, never written". */
export const SEQCOUNT_WORDS = 1;
/** A writer may have lost its processor: do not burn ours. */
const RETRY_PARK_MS = 1;

/** Opens a write section. Only one writer at a time: the caller holds the lock that says so. */
export function write_seqcount_begin(cpu: Cpu, word: Word): void {
  const before = cpu.words[word] as number; // Plain: only writers write it, and the caller is the only one.
  assert((before & 1) === 0, 'write_seqcount_begin: a write section is open already');
  atomic_set(cpu, word, (before + 1) | 0); // Write barrier after it. Pairs with: read_seqcount_begin(), read_seqcount_retry().
}

/** Closes the write section. The count wraps around. */
export function write_seqcount_end(cpu: Cpu, word: Word): void {
  const before = cpu.words[word] as number; // Plain: as above.
  assert((before & 1) === 1, 'write_seqcount_end: no write section is open');
  atomic_set(cpu, word, (before + 1) | 0); // Release: what was written is visible. Pairs with: read_seqcount_begin().
}

/** The count as it is, odd or even. @kernel raw_read_seqcount() */
export function raw_read_seqcount(cpu: Cpu, word: Word): number {
  return atomic_read(cpu, word); // Acquire. Pairs with: write_seqcount_end().
}

/** Begins a read section: waits while a write section is open. @returns the even count to give to read_seqcount_retry */
export function read_seqcount_begin(cpu: Cpu, word: Word): number {
  for (let looks = spinLooks(cpu); ; looks--) {
    const seen = raw_read_seqcount(cpu, word);
    if ((seen & 1) === 0) return seen;
    cpu_relax(cpu);
    if (looks > 0) continue;
    beginWait(cpu, WAIT_ORDER, word);
    park(cpu, word, seen, RETRY_PARK_MS);
    endWait(cpu);
  }
}

/** Ends a read section. @returns whether what was read must be thrown away */
export function read_seqcount_retry(cpu: Cpu, word: Word, start: number): boolean {
  return atomic_read(cpu, word) !== start; // Read barrier before it. Pairs with: write_seqcount_begin().
}

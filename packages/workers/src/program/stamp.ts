/**
 * A stamp is the content of a page: 32 bits that say which page it was written to, by which CPU, and in which order. A stamp found in
 * another page, or one that was overwritten before, gives itself away. 0 is the content of a fresh page and never a stamp.
 * Next: page_shadow.ts
 */
const PAGE_BITS = 8;
const CPU_BITS = 6;
const COUNTER_BITS = 18;
const COUNTER_MASK: number = (1 << COUNTER_BITS) - 1;

/** A few bits that differ between neighbouring pages and between regions. */
const pageHash = (page: number): number => (Math.imul(page, 0x9e3779b1) >>> (32 - PAGE_BITS)) & 0xff;

/** The counter of one CPU's stamps. */
export class StampSource {
  readonly #cpu: number;
  #counter = 0;

  constructor(cpu: number) {
    this.#cpu = cpu & ((1 << CPU_BITS) - 1);
  }

  /** A stamp for that page, different from the last quarter million of this CPU. */
  next(page: number): number {
    this.#counter = (this.#counter & COUNTER_MASK) === COUNTER_MASK ? 1 : this.#counter + 1;
    return (pageHash(page) << (CPU_BITS + COUNTER_BITS)) | (this.#cpu << COUNTER_BITS) | this.#counter;
  }
}

/** Was the stamp made for that page? Wrong pages are recognised in all but one of 256 cases. */
export const stampFits = (stamp: number, page: number): boolean =>
  stamp >>> (CPU_BITS + COUNTER_BITS) === pageHash(page) && (stamp & COUNTER_MASK) !== 0;

/** "stamp 17 of CPU 3", or "zero". */
export function describeStamp(stamp: number): string {
  if (stamp === 0) return 'zero';
  return `stamp ${stamp & COUNTER_MASK} of CPU ${(stamp >>> COUNTER_BITS) & ((1 << CPU_BITS) - 1)} (0x${(stamp >>> 0).toString(16)})`;
}

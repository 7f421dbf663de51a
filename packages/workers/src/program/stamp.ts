/**
 * A stamp is the content of a page: 32 bits that say which page it was written to, by which CPU, and in which order. A stamp found in
 * another page, or one that was overwritten before, gives itself away, and so does one of a file in a page that is none of its. 0 is the content of a fresh page and never a stamp.
 * Next: page_shadow.ts
 */
const PAGE_BITS = 8;
const CPU_BITS = 6;
/** With the bit above the counter: set in the stamps of pages of files. */
const COUNTER_BITS = 18;
const COUNTER_MASK: number = (1 << (COUNTER_BITS - 1)) - 1;
const OF_FILE: number = 1 << (COUNTER_BITS - 1);

/** A few bits that differ between neighbouring pages and between regions. */
const pageHash = (page: number): number => (Math.imul(page, 0x9e3779b1) >>> (32 - PAGE_BITS)) & 0xff;

/** A stamp made of its parts. The counter wraps, and is never 0. @param page of an address space, or a fileKey() */
export const makeStamp = (page: number, cpu: number, counter: number): number =>
  (pageHash(page) << (CPU_BITS + COUNTER_BITS)) |
  ((cpu & ((1 << CPU_BITS) - 1)) << COUNTER_BITS) |
  (page >= FILE_KEYS ? OF_FILE : 0) |
  ((counter % COUNTER_MASK) + 1);

/** Pages of files have keys of their own, far above all pages of address spaces that programs use. */
const FILE_KEYS = 0x40000000;
const PAGES_PER_FILE = 0x10000;
/** What the stamps of a page of a file are made for. */
export const fileKey = (file: number, page: number): number => FILE_KEYS + file * PAGES_PER_FILE + page;

/** The counter of one CPU's stamps. */
export class StampSource {
  readonly #cpu: number;
  #counter = 0;

  constructor(cpu: number) {
    this.#cpu = cpu;
  }

  /** A stamp for that page, different from the last hundred thousand of this CPU. */
  next(page: number): number {
    return makeStamp(page, this.#cpu, this.#counter++);
  }
}

/** What a userfaultfd handler puts into a page: always the same for a page. */
export const fillStamp = (page: number): number => makeStamp(page, -1, 0);

/**
 * Of two contents of one page, which was there first? Stamps of one CPU count; whatever is no stamp of the page was there before all of them.
 * Only for stamps that count the writes of their page, and less than half of the counter apart.
 */
export function isOlder(value: number, than: number, page: number): boolean {
  if (!stampFits(than, page)) return false; // What a page of a file held at first is older than every stamp.
  if (!stampFits(value, page)) return true;
  if (stampCpu(value) !== stampCpu(than)) return false;
  const steps = ((than & COUNTER_MASK) - (value & COUNTER_MASK) + COUNTER_MASK) % COUNTER_MASK;
  return steps > 0 && steps < COUNTER_MASK / 2;
}

/** The last bits of the number of the CPU that made a stamp. */
export const stampCpu = (stamp: number): number => (stamp >>> COUNTER_BITS) & ((1 << CPU_BITS) - 1);

/** Was the stamp made for that page? Wrong pages are recognised in all but one of 256 cases. */
export const stampFits = (stamp: number, page: number): boolean =>
  stamp >>> (CPU_BITS + COUNTER_BITS) === pageHash(page) && (stamp & COUNTER_MASK) !== 0 && ((stamp & OF_FILE) !== 0) === page >= FILE_KEYS;

/** "stamp 17 of CPU 3", or "zero". */
export function describeStamp(stamp: number): string {
  if (stamp === 0) return 'zero';
  return `stamp ${stamp & COUNTER_MASK} of CPU ${(stamp >>> COUNTER_BITS) & ((1 << CPU_BITS) - 1)} (0x${(stamp >>> 0).toString(16)})`;
}

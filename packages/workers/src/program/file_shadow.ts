/**
 * What one CPU knows about the pages of a file, by whatever way it reads or writes them: through any mapping, or by read(2) and write(2).
 * Pages that only this CPU writes are known exactly, through write-back, eviction and reading in again; of the others it is known that
 * they do not go back in time.
 *
 *   owner of page 7                           this CPU
 *   1 writes S1, publishes S1
 *   2 writes S2, publishes S2
 *                                             3 looks at what is published: S2
 *                                             4 reads S1  <- decides: it has an old copy of the page
 *
 * Next: page_shadow.ts, whose regions map files
 */
import { InvariantError } from '@faultlab/core/base/errors';
import type { FileUse } from './program.ts';
import { describeStamp, fileKey, isOlder, makeStamp, stampFits } from './stamp.ts';

/** Invariant that contents are judged by. */
export const CONTENT = 'I25';

/** The content may be anything that the page has ever held, until it is read or written. */
const UNKNOWN = 1;
/** The content may have become zero. */
const MAYBE_ZERO = 2;

/** Judges no floor. */
export const NO_FLOOR = 0;

export class FileShadow {
  readonly use: FileUse;
  readonly file: number;
  readonly #initial: (page: number) => number;
  readonly #last: Int32Array;
  readonly #before: Int32Array;
  readonly #state: Uint8Array;
  /** Stamps made for each page. */
  readonly #written: Int32Array;
  /** 1 for pages that a call of this CPU has made zero at some time. */
  readonly #vanished: Uint8Array;
  /** The device may fail: what was not written back may be gone, and what it held before is back. @kernel mm/page-writeback.c clean after an error */
  readonly #lossy: boolean;
  #size: number;

  /** @param token what the page with that number holds when nobody has written it */
  constructor(use: FileUse, file: number, token: (page: number) => number, ioErrors = false) {
    this.#lossy = ioErrors && use.initial === 'token';
    this.use = use;
    this.file = file;
    this.#size = use.pages;
    this.#initial = use.initial === 'zero' ? () => 0 : token;
    this.#last = Int32Array.from({ length: use.pages }, (_, page) => this.#initial(page));
    this.#before = new Int32Array(use.pages);
    this.#state = new Uint8Array(use.pages);
    this.#written = new Int32Array(use.pages);
    this.#vanished = new Uint8Array(use.pages);
  }

  /** Does only this CPU write the page? */
  isMine(page: number): boolean {
    const { writes } = this.use;
    return typeof writes === 'object' && page % writes.step === writes.offset;
  }

  /** Is it known exactly what a read of the page gives? */
  isExact(page: number): boolean {
    return this.isMine(page) && this.use.discards === 'mine' && this.#state[page] === 0 && !this.#lossy;
  }

  /** What the page holds when nobody has written it. */
  initial(page: number): number {
    return this.#initial(page);
  }

  expected(page: number): number {
    return this.#last[page] as number;
  }

  /** Is the page beyond the end of the file? Undefined when others change its size. */
  isBeyondEnd(page: number): boolean | undefined {
    return this.use.discards === 'mine' ? page >= this.#size : undefined;
  }

  /** Judges the content that a read returned. @param floor what its owner had published before the read began. @throws InvariantError */
  judge(page: number, value: number, floor: number): void {
    const last = this.#last[page] as number;
    const state = this.#state[page] as number;
    if (this.#lossy) this.#judgeLossy(page, value);
    else if (value === 0) {
      const vanished = this.use.discards === 'shared' || (state & (MAYBE_ZERO | UNKNOWN)) !== 0;
      if (last !== 0 && !vanished) throw wrong('a write to a file was lost', this.#nameOf(page), last, value);
    } else if (value !== last && (state & UNKNOWN) === 0) this.#judgeChange(page, last, value);
    if (floor !== NO_FLOOR && !this.#lossy && this.#neverGoesBack(page) && this.#isOlder(page, value, floor)) {
      throw wrong('an old copy of a page of a file was read', this.#nameOf(page), floor, value);
    }
    this.#state[page] = state & ~UNKNOWN;
    if (value !== last) this.#remember(page, value);
  }

  /** Something that the page held at some time; never what belongs elsewhere. */
  #judgeLossy(page: number, value: number): void {
    if (value === 0 && ((this.#state[page] as number) & (MAYBE_ZERO | UNKNOWN)) !== 0) return;
    this.judgeCopy(page, value);
  }

  /** Judges a private copy of unknown age: something that the page may have held at some time. @throws InvariantError */
  judgeCopy(page: number, value: number): void {
    const wasZero = this.use.initial === 'zero' || this.use.discards === 'shared' || this.#vanished[page] === 1;
    if (value === 0 ? wasZero : stampFits(value, fileKey(this.file, page))) return;
    if (value === this.#initial(page)) return;
    throw wrong('a copy of a page of a file holds what the page never held', this.#nameOf(page), this.#last[page] as number, value);
  }

  #judgeChange(page: number, last: number, value: number): void {
    if (!stampFits(value, fileKey(this.file, page))) {
      throw wrong('the content of a page of a file belongs elsewhere, or an overwritten one came back', this.#nameOf(page), last, value);
    }
    if (this.isMine(page)) throw wrong('somebody else wrote the page, or an old write came back', this.#nameOf(page), last, value);
    if (value === this.#before[page] || (last !== 0 && this.#isOlder(page, value, last)))
      throw wrong('an overwritten or discarded content came back', this.#nameOf(page), last, value);
  }

  /** What a page held at first may look like a stamp, and is older than all of them. */
  #isOlder(page: number, value: number, than: number): boolean {
    const first = this.#initial(page);
    return than !== first && (value === first || isOlder(value, than, fileKey(this.file, page)));
  }

  /** A content for the page, different from all that this CPU has put there for long. */
  nextStamp(cpu: number, page: number): number {
    const written = (this.#written[page] as number) + 1;
    this.#written[page] = written;
    return makeStamp(fileKey(this.file, page), cpu, written);
  }

  /** What another CPU alone writes, and nobody throws away, only gets newer. Of its own pages a CPU knows more. */
  #neverGoesBack(page: number): boolean {
    if (this.isMine(page)) return false;
    return this.use.discards === 'mine' && typeof this.use.writes === 'object' && ((this.#state[page] as number) & MAYBE_ZERO) === 0;
  }

  wrote(page: number, stamp: number): void {
    this.#state[page] = 0;
    if (page >= this.#size) this.#size = page + 1;
    this.#remember(page, stamp);
  }

  /** A write failed half-way: the page holds the new content or the old one. */
  mayHaveWritten(page: number): void {
    this.#state[page] = (this.#state[page] as number) | UNKNOWN;
  }

  /** This CPU has punched a hole. */
  punched(at: number, pages: number): void {
    for (let page = at; page < Math.min(at + pages, this.use.pages); page++) this.#vanish(page);
  }

  /** This CPU has changed the size. */
  truncated(pages: number): void {
    for (let page = Math.min(pages, this.#size); page < this.use.pages; page++) this.#vanish(page);
    this.#size = pages;
  }

  /** A call of this CPU that throws pages away ended early. */
  mayVanish(at: number, pages: number): void {
    for (let page = at; page < Math.min(at + pages, this.use.pages); page++) this.#state[page] = (this.#state[page] as number) | MAYBE_ZERO;
  }

  #vanish(page: number): void {
    this.#vanished[page] = 1;
    // Of others' pages nothing is known: they may have been written again already.
    if (!this.isMine(page) && typeof this.use.writes === 'object') this.#state[page] = (this.#state[page] as number) | MAYBE_ZERO;
    else if (this.use.writes === 'all') this.#state[page] = MAYBE_ZERO | UNKNOWN;
    else {
      this.#state[page] = 0;
      if (this.#last[page] !== 0) this.#remember(page, 0);
    }
  }

  #remember(page: number, value: number): void {
    this.#before[page] = this.#last[page] as number;
    this.#last[page] = value;
  }

  #nameOf(page: number): string {
    return `page ${page} of file ${this.file} (${this.use.name})`;
  }
}

function wrong(what: string, where: string, expected: number, found: number): InvariantError {
  return new InvariantError(CONTENT, `${what}: ${where} holds ${describeStamp(found)}, expected ${describeStamp(expected)}`);
}

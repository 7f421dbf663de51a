/**
 * What one CPU knows about the pages of a region, and the judgement of what it finds there: lost, stale, leaked and resurrected writes,
 * and accesses that end as they cannot end. Pages that only this CPU writes are known exactly. What a region shows of a file is judged by
 * what is known of the file (file_shadow.ts): all of a shared mapping, and of a private one the pages that nobody has written yet.
 *
 *   this CPU                                  another CPU
 *   1 writes S to its page
 *                                             2 throws the range away (munmap, mmap)
 *   3 reads 0: fine, forgets S
 *   4 reads S  <- decides: a page came back from the dead
 *
 * Next: execute_op.ts produces what is judged here.
 */
import { InvariantError } from '@faultlab/core/base/errors';
import { PROT_WRITE } from '@faultlab/core/mm/mman';
import { CONTENT, type FileShadow, NO_FLOOR } from './file_shadow.ts';
import { ACCESS_OK, BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR } from './outcome.ts';
import type { Region } from './program.ts';
import { describeStamp, fillStamp, stampFits } from './stamp.ts';

const MAPPED = 1;
const READABLE = 2;
const WRITABLE = 4;
/** A call failed half-way: any layout is possible until the next successful mmap. */
const UNSURE = 8;
/** The contents may have become zero at any time since (MADV_FREE, or a call that failed half-way). */
const MAYBE_ZERO = 16;
/** The content may be anything, until it is read or written. */
const UNKNOWN = 32;
/** A private mapping of a file: the page is a copy that somebody in this address space has written. */
const COPIED = 64;
/** A private mapping of a file: the page may be a copy that nobody has written yet, because a write ended after its fault. */
const MAYBE_COPY = 128;

/** Name under which an impossible ending of an access is reported. */
export const OUTCOME = 'outcome';

const stateOf = (prot: number): number => MAPPED | (prot !== 0 ? READABLE : 0) | ((prot & PROT_WRITE) !== 0 ? WRITABLE : 0);

export class PageShadow {
  readonly region: Region;
  /** What lies behind the region, if it is a file. */
  readonly file: FileShadow | undefined;
  readonly #state: Uint8Array;
  /** The stamp seen or written last, and the different one before it. */
  readonly #last: Int32Array;
  readonly #before: Int32Array;

  constructor(region: Region, files: readonly FileShadow[] = []) {
    this.region = region;
    this.file = region.backing === undefined ? undefined : files[region.backing.file];
    this.#state = new Uint8Array(region.pages);
    if (region.initial !== 'unmapped') this.#state.fill(stateOf(region.initial));
    this.#last = Int32Array.from({ length: region.pages }, (_, index) => (region.fresh === 'fill' ? fillStamp(region.start + index) : 0));
    this.#before = new Int32Array(region.pages);
  }

  covers(page: number): boolean {
    return page >= this.region.start && page < this.region.start + this.region.pages;
  }

  /** Does only this CPU write the page? */
  isMine(page: number): boolean {
    const { writes, start } = this.region;
    if (this.#shared) return (this.file as FileShadow).isMine(this.filePage(page));
    return typeof writes === 'object' && (page - start) % writes.step === writes.offset;
  }

  /** Is it known exactly what a read of the page gives? */
  isExact(page: number): boolean {
    const { layout, discards, fresh, backing } = this.region;
    const state = this.#state[page - this.region.start] as number;
    if (this.#shared) return layout !== 'shared' && (this.file as FileShadow).isExact(this.filePage(page));
    if (backing !== undefined && ((state & COPIED) === 0 || this.file?.use.discards === 'shared')) return false;
    if (fresh === 'either' && this.#last[page - this.region.start] === 0) return false;
    return this.isMine(page) && layout !== 'shared' && discards === 'mine' && (state & (UNSURE | MAYBE_ZERO | UNKNOWN)) === 0;
  }

  /** The stamp that the page holds, as far as this CPU knows. */
  expected(page: number): number {
    if (this.#shared) return (this.file as FileShadow).expected(this.filePage(page));
    return this.#last[page - this.region.start] as number;
  }

  /** The ending that the access must have, or undefined when several are possible. */
  predicted(page: number, write: boolean): number | undefined {
    const state = this.#state[page - this.region.start] as number;
    if (this.region.layout === 'shared' || (state & UNSURE) !== 0) return undefined;
    if ((state & MAPPED) === 0) return SEGV_MAPERR;
    if ((state & (write ? WRITABLE : READABLE)) === 0) return SEGV_ACCERR;
    return this.file?.isBeyondEnd(this.filePage(page)) === true ? BUS_ADRERR : ACCESS_OK;
  }

  /** May an access end with SIGBUS, because another CPU makes the file shorter? */
  mayBeBeyondEnd(page: number): boolean {
    return this.file !== undefined && this.file.isBeyondEnd(this.filePage(page)) !== false;
  }

  /** The page of the file that the page shows. Only for a region with a file. */
  filePage(page: number): number {
    return page - this.region.start + (this.region.backing?.offset ?? 0);
  }

  /** The file whose pages an access to this page reaches now, or undefined: there is none, or the page is a copy. */
  fileOf(page: number): FileShadow | undefined {
    return this.#shared || ((this.#state[page - this.region.start] as number) & COPIED) === 0 ? this.file : undefined;
  }

  /** Do writes here reach something that other address spaces see? */
  get reachesFile(): boolean {
    return this.#shared || this.region.sharedAnonymous === true;
  }

  get #shared(): boolean {
    return this.region.backing?.shared === true;
  }

  /** Judges the content that a read returned. @param floor see FileShadow.judge(). @throws InvariantError */
  judgeRead(page: number, value: number, floor: number = NO_FLOOR): void {
    if (this.#shared) (this.file as FileShadow).judge(this.filePage(page), value, floor);
    else if (this.file === undefined) this.#judgeAnonymous(page, value);
    else this.#judgePrivate(page, value, floor);
  }

  /** A private mapping: the copy that was written here, or what the file holds. */
  #judgePrivate(page: number, value: number, floor: number): void {
    const index = page - this.region.start;
    const state = this.#state[index] as number;
    if ((state & COPIED) !== 0 && value === this.#last[index]) return;
    if (stampFits(value, page) && this.file?.initial(this.filePage(page)) !== value) {
      // A copy that this CPU does not know. Only others may have made it.
      if (this.isMine(page) && (state & UNKNOWN) === 0) throw wrong('an old copy came back', page, this.#last[index] as number, value);
      if (value === this.#before[index])
        throw wrong('an overwritten or discarded copy came back', page, this.#last[index] as number, value);
      this.#state[index] = (state & ~UNKNOWN) | COPIED;
      this.#remember(index, value);
      return;
    }
    const mayVanish = this.region.discards === 'shared' || this.file?.use.discards === 'shared' || (state & (MAYBE_ZERO | UNKNOWN)) !== 0;
    if ((state & COPIED) !== 0 && !mayVanish) throw wrong('a write to a copy was lost', page, this.#last[index] as number, value);
    this.#state[index] = state & ~(COPIED | UNKNOWN);
    if ((state & COPIED) !== 0) this.#remember(index, 0);
    // Between a fault that copies a page and the write that it was for, the others see a copy of what the file held.
    if (!this.isMine(page) || (state & MAYBE_COPY) !== 0) this.file?.judgeCopy(this.filePage(page), value);
    // What was published may be older than the look at the copy that is gone by now.
    else this.file?.judge(this.filePage(page), value, (state & COPIED) === 0 ? floor : NO_FLOOR);
  }

  /** A write by this CPU ended without writing. Its fault may have gone through. */
  writeEnded(page: number): void {
    if (this.file === undefined || this.#shared) return;
    const index = page - this.region.start;
    this.#state[index] = (this.#state[index] as number) | MAYBE_COPY;
  }

  #judgeAnonymous(page: number, value: number): void {
    const index = page - this.region.start;
    const last = this.#last[index] as number;
    if (value === last) return;
    const state = this.#state[index] as number;
    const { fresh } = this.region;
    if ((state & UNKNOWN) !== 0) {
      this.#state[index] = state & ~UNKNOWN;
    } else if (fresh !== undefined && fresh !== 'zero' && value === fillStamp(page)) {
      const freshNow = this.region.discards === 'shared' || (state & MAYBE_ZERO) !== 0 || (fresh === 'either' && last === 0);
      if (!freshNow) throw wrong('a write was lost', page, last, value);
    } else if (value === 0) {
      const discarded = fresh !== 'fill' && (this.region.discards === 'shared' || (state & MAYBE_ZERO) !== 0);
      if (!discarded) throw wrong('a write was lost', page, last, value);
    } else {
      if (!stampFits(value, page)) throw wrong('the content belongs to another page', page, last, value);
      if (this.isMine(page)) throw wrong('somebody else wrote the page, or an old write came back', page, last, value);
      if (value === this.#before[index]) throw wrong('an overwritten or discarded content came back', page, last, value);
    }
    this.#remember(index, value);
  }

  wrote(page: number, stamp: number): void {
    const index = page - this.region.start;
    if (this.#shared) {
      (this.file as FileShadow).wrote(this.filePage(page), stamp);
      return;
    }
    this.#state[index] = ((this.#state[index] as number) & ~(MAYBE_ZERO | UNKNOWN | MAYBE_COPY)) | (this.file === undefined ? 0 : COPIED);
    this.#remember(index, stamp);
  }

  #remember(index: number, value: number): void {
    this.#before[index] = this.#last[index] as number;
    this.#last[index] = value;
  }

  // --- what this CPU's own calls did -------------------------------------------------------------------------------------------------

  mapped(at: number, pages: number, prot: number): void {
    this.#each(at, pages, (index) => {
      this.#state[index] = stateOf(prot);
      this.#forget(index);
    });
  }

  unmapped(at: number, pages: number): void {
    this.#each(at, pages, (index) => {
      this.#state[index] = 0;
      this.#forget(index);
    });
  }

  /** Protection changed on all pages up to the first hole. Only for a range that is not unsure. */
  protectedToHole(at: number, pages: number, prot: number): void {
    for (let page = at; page < at + pages; page++) {
      if (((this.#state[page - this.region.start] as number) & MAPPED) === 0) return;
      this.protected(page, 1, prot);
    }
  }

  /** Protection changed on all pages, so that all of them are mapped. */
  protected(at: number, pages: number, prot: number): void {
    this.#each(at, pages, (index) => {
      this.#state[index] = stateOf(prot) | ((this.#state[index] as number) & (MAYBE_ZERO | UNKNOWN | COPIED | MAYBE_COPY));
    });
  }

  /** Is anything about the range uncertain, so that the result of a call on it cannot be foretold? */
  isUnsure(at: number, pages: number): boolean {
    if (this.region.layout === 'shared') return true;
    for (let page = at; page < at + pages; page++) {
      if (((this.#state[page - this.region.start] as number) & UNSURE) !== 0) return true;
    }
    return false;
  }

  hasHole(at: number, pages: number): boolean {
    for (let page = at; page < at + pages; page++) {
      if (((this.#state[page - this.region.start] as number) & MAPPED) === 0) return true;
    }
    return false;
  }

  /** Contents thrown away, areas kept. */
  discarded(at: number, pages: number): void {
    if (this.region.sharedAnonymous === true) return; // What is thrown away are the entries; the pages stay.
    this.#each(at, pages, (index) => this.#forget(index));
  }

  /** The file has become shorter by a call of this CPU: copies of what it has lost are gone. */
  fileTruncated(pages: number): void {
    if (this.#shared || this.file === undefined) return;
    this.#each(this.region.start, this.region.pages, (index) => {
      if (index + (this.region.backing?.offset ?? 0) >= pages) this.#forget(index);
    });
  }

  /** Contents that may vanish at any time until they are written again. */
  mayVanish(at: number, pages: number): void {
    this.#each(at, pages, (index) => {
      this.#state[index] = (this.#state[index] as number) | MAYBE_ZERO;
    });
  }

  /** A call failed half-way. */
  unsure(at: number, pages: number): void {
    this.#each(at, pages, (index) => {
      this.#state[index] = (this.#state[index] as number) | UNSURE | UNKNOWN;
    });
  }

  /**
   * Pages moved within the region; what is new at the end is zero. The ranges do not overlap. Where the source has a hole nothing moves,
   * and the target keeps what it had.
   */
  moved(from: number, pages: number, to: number, newPages: number): void {
    const first = this.#state[from - this.region.start] as number;
    for (let offset = 0; offset < newPages; offset++) {
      const target = to + offset - this.region.start;
      const source = from + offset - this.region.start;
      const carried = offset < pages;
      const state = carried ? (this.#state[source] as number) : first & ~MAYBE_ZERO;
      if ((state & (MAPPED | UNSURE)) === 0) continue;
      // An uncertain source may have been a hole, and then the content is the target's own.
      this.#state[target] = (state & UNSURE) === 0 ? state : state | UNKNOWN;
      this.#last[target] = carried ? (this.#last[source] as number) : 0;
      this.#before[target] = 0;
    }
    this.unmapped(from, pages);
  }

  #each(at: number, pages: number, change: (index: number) => void): void {
    for (let page = at; page < at + pages; page++) {
      if (this.covers(page)) change(page - this.region.start);
    }
  }

  /** The content is fresh now; whatever was there must not come back. */
  #forget(index: number): void {
    this.#state[index] = (this.#state[index] as number) & ~(MAYBE_ZERO | UNKNOWN | COPIED | MAYBE_COPY);
    const fresh = this.region.fresh === 'fill' ? fillStamp(this.region.start + index) : 0;
    if (this.#last[index] !== fresh) this.#remember(index, fresh);
  }
}

function wrong(what: string, page: number, expected: number, found: number): InvariantError {
  return new InvariantError(CONTENT, `${what}: page ${page} holds ${describeStamp(found)}, expected ${describeStamp(expected)}`);
}

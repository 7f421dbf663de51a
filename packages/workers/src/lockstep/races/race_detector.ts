/**
 * A happens-before race detector over the words of an arena. Every thread has a vector clock; an operation on a protocol word hands clocks from
 * the one who wrote the word to the one who reads it; two accesses of one word, at least one of them a write and at least one of them plain, that
 * no such chain puts in order are a race. It finds a missing lock in a schedule in which nothing went wrong: what counts is not who was
 * first but that nothing said who is.
 *
 *   CPU 0: plain write of w, unlock (release) ----> CPU 1: lock (acquire), plain read of w        ordered
 *   CPU 0: plain write of w                         CPU 1: plain read of w                        race, whoever came first
 *
 * Three kinds of access. *Plain*: `words[i]`; some lock must order it. *Marked*: READ_ONCE and WRITE_ONCE; may race with its like and hands on no
 * clock. *Atomic*: the other operations of the funnel; marked, and hand on clocks.
 *
 * All state is in shared memory, without any protection: in lock-step one thread moves at a time. Clocks only grow, also from schedule to
 * schedule, so nothing has to be cleared when the next one begins.
 * Source: C. Flanagan and S. Freund, FastTrack (PLDI 2009), here with whole vectors in place of epochs; the kernel's KCSAN for what is marked.
 * Next: recording_view.ts tells it of plain accesses
 */
import { STEP_DEREFERENCE, STEP_READ, STEP_UPDATE, STEP_WAKE, STEP_WRITE } from '@faultlab/core/memory/step_gate';

/** One unordered pair: what this thread does, and what another one did. */
export interface Race {
  readonly word: number;
  readonly cpu: number;
  readonly access: Access;
  readonly other: number;
  readonly otherAccess: Access;
}

export type Access = 'plain read' | 'plain write' | 'marked read' | 'marked write';

// Vectors of a word, each with an entry for every thread.
const SYNC = 0;
const PLAIN_READ = 1;
const PLAIN_WRITE = 2;
const ANY_READ = 3;
const ANY_WRITE = 4;
const VECTORS = 5;
const NOTHING = -1;

/** Words of shared memory that a detector needs for an arena of that size. */
export const detectorWords = (arenaWords: number, threads: number): number => threads * threads + arenaWords * VECTORS * threads;

/** Deep enough for the frames of the model below those of the detector. */
const FRAMES = 40;

function stackHere(): string {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  const { stack = '' } = new Error('access');
  Error.stackTraceLimit = before;
  return stack;
}

export class RaceDetector {
  readonly #state: Int32Array;
  readonly #threads: number;
  readonly #me: number;
  readonly #mine: number;
  readonly #onRace: (race: Race, stack: string) => void;
  #watched = NOTHING;
  #onWatched: (access: Access, stack: string) => void = () => {};
  #active = true;
  /** The operation whose turn was taken last, and whose access may still show itself as marked. */
  #pendingKind = NOTHING;
  #pendingWord = NOTHING;
  /** Where that was, if the word is watched: by the time that it is settled the thread is elsewhere. */
  #pendingStack = '';

  /**
   * @param state shared by the detectors of all threads, all zero at first: detectorWords()
   * @param onRace called in the thread that makes the second of the two accesses
   */
  constructor(state: Int32Array, threads: number, me: number, onRace: (race: Race, stack: string) => void) {
    this.#state = state;
    this.#threads = threads;
    this.#me = me;
    this.#mine = me * threads;
    this.#onRace = onRace;
  }

  /** From now on every access to the word is told, with its stack. */
  watch(word: number, onAccess: (access: Access, stack: string) => void): void {
    this.#watched = word;
    this.#onWatched = onAccess;
  }

  /** All threads have met: what any of them did is before what any of them does from now on. One thread says so for all. */
  allMet(): void {
    const { threads, state } = { threads: this.#threads, state: this.#state };
    for (let of = 0; of < threads; of++) {
      let newest = 0;
      for (let thread = 0; thread < threads; thread++) newest = Math.max(newest, state[thread * threads + of] as number);
      for (let thread = 0; thread < threads; thread++) state[thread * threads + of] = newest;
    }
    for (let thread = 0; thread < threads; thread++) {
      const own = thread * threads + thread;
      state[own] = (state[own] as number) + 1;
    }
  }

  /** This thread has the turn for an operation of the funnel, and settled the one before when it asked for it. @param kind STEP_* */
  step(kind: number, word: number): void {
    if (!this.#active || (kind > STEP_UPDATE && kind !== STEP_WAKE && kind !== STEP_DEREFERENCE)) return;
    this.#pendingKind = kind;
    this.#pendingWord = word;
    this.#pendingStack = word === this.#watched ? stackHere() : '';
  }

  /** What this thread still does is no part of the run. */
  end(): void {
    this.settle();
    this.#active = false;
  }

  /** This thread was woken by somebody who had the word in hand. */
  woken(word: number): void {
    this.settle();
    this.#acquire(word);
  }

  /** A plain access, unless it is that of READ_ONCE or WRITE_ONCE, which take their turn for the same word just before. */
  plainRead(word: number): void {
    if (!this.#active) return;
    const dereferences = this.#isMarked(word, STEP_DEREFERENCE);
    if (dereferences || this.#isMarked(word, STEP_READ)) {
      if (dereferences) this.#acquire(word);
      this.#check(word, 'marked read');
      this.#note(word, ANY_READ);
      return;
    }
    this.settle();
    this.#pendingStack = '';
    this.#check(word, 'plain read');
    this.#note(word, PLAIN_READ);
    this.#note(word, ANY_READ);
  }

  plainWrite(word: number): void {
    if (!this.#active) return;
    if (this.#isMarked(word, STEP_WRITE)) {
      this.#check(word, 'marked write');
      this.#note(word, ANY_WRITE);
      return;
    }
    this.settle();
    this.#pendingStack = '';
    this.#check(word, 'plain write');
    this.#note(word, PLAIN_WRITE);
    this.#note(word, ANY_WRITE);
  }

  #isMarked(word: number, kind: number): boolean {
    if (this.#pendingWord !== word || this.#pendingKind !== kind) return false;
    this.#pendingKind = NOTHING;
    return true;
  }

  /** The operation of the last turn is over. If its access has not shown itself, it was an atomic one, which hands on clocks. */
  settle(): void {
    const kind = this.#pendingKind;
    if (kind === NOTHING) return;
    const word = this.#pendingWord;
    this.#pendingKind = NOTHING;
    if (kind === STEP_READ || kind === STEP_UPDATE) {
      this.#check(word, 'marked read');
      this.#acquire(word);
      this.#note(word, ANY_READ);
    }
    if (kind === STEP_WRITE || kind === STEP_UPDATE) {
      this.#check(word, 'marked write');
      this.#note(word, ANY_WRITE);
    }
    if (kind !== STEP_READ && kind !== STEP_DEREFERENCE) this.#release(word, kind === STEP_WRITE);
  }

  #vector(word: number, vector: number): number {
    return this.#threads * this.#threads + (word * VECTORS + vector) * this.#threads;
  }

  #acquire(word: number): void {
    const state = this.#state;
    const sync = this.#vector(word, SYNC);
    for (let of = 0; of < this.#threads; of++) {
      const handed = state[sync + of] as number;
      if (handed > (state[this.#mine + of] as number)) state[this.#mine + of] = handed;
    }
  }

  /** @param alone a plain store: what the word handed on before is gone with its value */
  #release(word: number, alone: boolean): void {
    const state = this.#state;
    const sync = this.#vector(word, SYNC);
    for (let of = 0; of < this.#threads; of++) {
      const known = state[this.#mine + of] as number;
      if (alone || known > (state[sync + of] as number)) state[sync + of] = known;
    }
    state[this.#mine + this.#me] = (state[this.#mine + this.#me] as number) + 1;
  }

  #note(word: number, vector: number): void {
    this.#state[this.#vector(word, vector) + this.#me] = this.#state[this.#mine + this.#me] as number;
  }

  #check(word: number, access: Access): void {
    if (word === this.#watched) this.#onWatched(access, this.#pendingStack || stackHere());
    if (access === 'plain read') this.#against(word, access, ANY_WRITE, PLAIN_WRITE, 'write');
    else if (access === 'marked read') this.#against(word, access, PLAIN_WRITE, PLAIN_WRITE, 'write');
    else {
      const [reads, writes] = access === 'plain write' ? [ANY_READ, ANY_WRITE] : [PLAIN_READ, PLAIN_WRITE];
      this.#against(word, access, writes, PLAIN_WRITE, 'write');
      this.#against(word, access, reads, PLAIN_READ, 'read');
    }
  }

  #against(word: number, access: Access, vector: number, plain: number, what: 'read' | 'write'): void {
    const state = this.#state;
    const theirs = this.#vector(word, vector);
    for (let other = 0; other < this.#threads; other++) {
      const at = state[theirs + other] as number;
      if (other === this.#me || at <= (state[this.#mine + other] as number)) continue;
      const wasPlain = state[this.#vector(word, plain) + other] === at;
      this.#onRace(
        { word, cpu: this.#me, access, other, otherAccess: `${wasPlain ? 'plain' : 'marked'} ${what}` },
        this.#pendingStack || stackHere(),
      );
    }
  }
}

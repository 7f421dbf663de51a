/**
 * The words that the threads of a torture share, beside the lock: who is where, what they have done, and what the lock guards. They are no
 * part of the lock's memory, and no operation of a schedule.
 * Next: participant.ts
 */

/** Threads of a torture at most: masks have 32 bits. */
export const TORTURE_THREADS_MAX = 24;

// --- common -------------------------------------------------------------------------------------------------------------------------
/** Threads that have come to the current meeting, and how many meetings there were. */
export const S_MET = 0;
export const S_MEETINGS = 1;
/** Non-zero: no further round. */
export const S_STOP = 2;
/** One for each reader inside, WRITER_INSIDE for a writer. */
export const S_INSIDE = 16;
export const WRITER_INSIDE = 0x10000;
/** Two plain words that a writer counts up; a lock that works keeps them equal whenever nobody writes. */
export const S_FIRST = 32;
export const S_SECOND = 48;
/** Tickets of waits that began. */
export const S_TICKET = 3;

// --- per thread ---------------------------------------------------------------------------------------------------------------------
export const T_PLACE = 0;
export const T_WRITES = 1;
export const T_READS = 2;
/** Tries that did not get the lock. */
export const T_MISSED = 3;
/** Readers that came after this waiting writer and got in before it: in the current wait, and at most. */
export const T_OVERTAKEN = 4;
export const T_OVERTAKEN_MAX = 5;
/** Ticket of the current wait. */
export const T_BEGAN = 6;
/** Operations of the thread (lock-step), and how many there were when it was overtaken last. */
export const T_STEPS = 7;
export const T_STEPS_SEEN = 8;
/** The word that the thread sleeps on, plus one (lock-step). */
export const T_SLEEPS_ON = 9;
/** The longest wait, in microseconds (running freely). */
export const T_LONGEST_US = 10;

export const PLACE_OUT = 0;
export const PLACE_WANTS_READ = 1;
export const PLACE_WANTS_WRITE = 2;
export const PLACE_READS = 3;
export const PLACE_WRITES = 4;
export const PLACE_LEAVES_READ = 5;
export const PLACE_LEAVES_WRITE = 6;
export const PLACE_DONE = 7;

const THREADS_AT = 64;
const THREAD_WORDS = 32;
const STATE_WORDS: number = THREADS_AT + TORTURE_THREADS_MAX * THREAD_WORDS;

export type TortureState = Int32Array<SharedArrayBuffer>;

export const createTortureState = (): TortureState => new Int32Array(new SharedArrayBuffer(4 * STATE_WORDS));
export const at = (thread: number, field: number): number => THREADS_AT + thread * THREAD_WORDS + field;

export const fieldOf = (state: TortureState, thread: number, field: number): number => state[at(thread, field)] as number;
export const wants = (place: number): boolean => place === PLACE_WANTS_READ || place === PLACE_WANTS_WRITE;

const PLACE_TEXT: readonly string[] = [
  'is outside',
  'waits to read',
  'waits to write',
  'holds the lock for reading',
  'holds the lock for writing',
  'is in the unlock of a reader',
  'is in the unlock of a writer',
  'is done',
];

/** Who is where, a line for each thread: the wait-for state. @param exclusive there are no readers */
export function placeLines(state: TortureState, threads: number, exclusive: boolean, describe: (word: number) => string): string[] {
  const all = Array.from({ length: threads }, (_, thread) => thread);
  const holders = all.filter((thread) => holds(fieldOf(state, thread, T_PLACE)));
  const holder = holders.length === 0 ? 'nobody holds the lock' : `held by thread ${holders.join(', ')}`;
  return all.map((thread) => {
    const place = fieldOf(state, thread, T_PLACE);
    const sleepsOn = fieldOf(state, thread, T_SLEEPS_ON);
    const text = PLACE_TEXT[place] as string;
    const plain = exclusive ? text.replace(/ for writing| of a writer/, '').replace('waits to write', 'waits for the lock') : text;
    const asleep = sleepsOn === 0 ? '' : `, asleep on ${describe(sleepsOn - 1)}`;
    return `  thread ${thread} ${plain}${asleep}${wants(place) ? `; ${holder}` : ''}`;
  });
}

const holds = (place: number): boolean => place === PLACE_READS || place === PLACE_WRITES;

/** Nobody is inside, or on the way out: who still waits then waits for nobody. */
export function isFree(state: TortureState, threads: number): boolean {
  for (let thread = 0; thread < threads; thread++) {
    const place = fieldOf(state, thread, T_PLACE);
    if (place >= PLACE_READS && place <= PLACE_LEAVES_WRITE) return false;
  }
  return true;
}

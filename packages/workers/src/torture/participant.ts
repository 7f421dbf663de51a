/**
 * One thread of a torture: takes the lock, looks whether it is where it may be, touches what the lock guards, gives the lock back. The same code
 * runs freely and in lock-step; what differs is in `Surroundings`.
 *
 *   thread A: in as a writer, S_INSIDE = 0x10000      thread B: in as well, finds 0x10000 there: the lock let both in
 *   thread A: reads first = 7                         thread B: reads first = 7, writes 8, out
 *   thread A: writes 8                                afterwards: two writes counted, first is 8: an update is lost
 *
 * Next: turn_atomics.ts for lock-step, free_torture_main.ts for threads that run freely
 */
import type { ExclusiveLock, ReadWriteLock } from './adapter.ts';
import {
  at,
  fieldOf,
  PLACE_DONE,
  PLACE_LEAVES_READ,
  PLACE_LEAVES_WRITE,
  PLACE_OUT,
  PLACE_READS,
  PLACE_WANTS_READ,
  PLACE_WANTS_WRITE,
  PLACE_WRITES,
  S_FIRST,
  S_INSIDE,
  S_SECOND,
  S_TICKET,
  T_BEGAN,
  T_MISSED,
  T_OVERTAKEN,
  T_OVERTAKEN_MAX,
  T_PLACE,
  T_READS,
  T_WRITES,
  type TortureState,
  WRITER_INSIDE,
} from './torture_state.ts';

/** What a lock did that no lock may do. */
export type Fault = 'exclusion' | 'lost update' | 'torn read' | 'lost wake-up' | 'starvation';

export class LockFault extends Error {
  override readonly name = 'LockFault';
  readonly fault: Fault;
  constructor(fault: Fault, message: string) {
    super(`${fault}: ${message}`);
    this.fault = fault;
  }
}

/** The two ways to hold a lock, whichever kind it is. */
export interface HeldWays {
  readonly read: { lock(): unknown; unlock(): unknown; try?: () => unknown } | undefined;
  readonly write: { lock(): unknown; unlock(): unknown; try?: () => unknown };
}

export function waysOf(lock: ExclusiveLock | ReadWriteLock): HeldWays {
  if ('lockRead' in lock) {
    return {
      read: {
        lock: () => lock.lockRead(),
        unlock: () => lock.unlockRead(),
        ...(lock.tryLockRead === undefined ? {} : { try: () => lock.tryLockRead?.() }),
      },
      write: {
        lock: () => lock.lockWrite(),
        unlock: () => lock.unlockWrite(),
        ...(lock.tryLockWrite === undefined ? {} : { try: () => lock.tryLockWrite?.() }),
      },
    };
  }
  const write = {
    lock: () => lock.lock(),
    unlock: () => lock.unlock(),
    ...(lock.tryLock === undefined ? {} : { try: () => lock.tryLock?.() }),
  };
  return { read: undefined, write };
}

/** Where a participant is. */
export interface Surroundings {
  readonly state: TortureState;
  readonly thread: number;
  readonly threads: number;
  /** Inside, between two accesses to what the lock guards: others may move. */
  pause(): void;
  /** The thread has got the lock: who waits longer was overtaken. */
  entered(asReader: boolean): void;
  /** The thread has come out of the unlock. */
  left(): void;
}

export class Participant {
  readonly #around: Surroundings;
  readonly #ways: HeldWays;

  constructor(around: Surroundings, ways: HeldWays) {
    this.#around = around;
    this.#ways = ways;
  }

  /** @param hold what a reader does inside, in place of a look at the words only @throws LockFault */
  read(hold: () => void = () => {}): void {
    const { read } = this.#ways;
    if (read === undefined) {
      this.write();
      return;
    }
    this.#wants(PLACE_WANTS_READ);
    read.lock();
    this.#asReader(hold);
    read.unlock();
    this.#out();
  }

  write(): void {
    const { write } = this.#ways;
    this.#wants(PLACE_WANTS_WRITE);
    write.lock();
    this.#asWriter();
    write.unlock();
    this.#out();
  }

  /** Takes the lock if it can be had at once. */
  attempt(asReader: boolean): void {
    const { state, thread } = this.#around;
    const way = asReader ? (this.#ways.read ?? this.#ways.write) : this.#ways.write;
    if (way.try === undefined) {
      if (asReader) this.read();
      else this.write();
      return;
    }
    // Who only tries waits for nobody, so nobody can overtake it.
    if (!way.try()) {
      state[at(thread, T_MISSED)] = fieldOf(state, thread, T_MISSED) + 1;
      return;
    }
    if (way === this.#ways.write) this.#asWriter();
    else this.#asReader(() => {});
    way.unlock();
    this.#out();
  }

  done(): void {
    this.#place(PLACE_DONE);
  }

  #wants(place: number): void {
    const { state, thread } = this.#around;
    state[at(thread, T_OVERTAKEN)] = 0;
    state[at(thread, T_BEGAN)] = Atomics.add(state, S_TICKET, 1);
    this.#place(place);
  }

  #asWriter(): void {
    const { state, thread } = this.#around;
    const before = Atomics.add(state, S_INSIDE, WRITER_INSIDE);
    this.#place(PLACE_WRITES);
    if (before !== 0) throw new LockFault('exclusion', `thread ${thread} was let in to write, and ${inside(before)} there`);
    this.#noteOvertakings();
    this.#around.entered(false);
    const first = state[S_FIRST] as number;
    this.#around.pause();
    state[S_FIRST] = first + 1;
    this.#around.pause();
    state[S_SECOND] = (state[S_SECOND] as number) + 1;
    this.#compare();
    state[at(thread, T_WRITES)] = fieldOf(state, thread, T_WRITES) + 1;
    const alone = Atomics.sub(state, S_INSIDE, WRITER_INSIDE);
    if (alone !== WRITER_INSIDE) throw new LockFault('exclusion', `somebody was let in while thread ${thread} wrote`);
    this.#place(PLACE_LEAVES_WRITE);
  }

  #asReader(hold: () => void): void {
    const { state, thread } = this.#around;
    const before = Atomics.add(state, S_INSIDE, 1);
    this.#place(PLACE_READS);
    if (before >= WRITER_INSIDE) throw new LockFault('exclusion', `thread ${thread} was let in to read, and ${inside(before)} there`);
    this.#around.entered(true);
    this.#compare();
    this.#around.pause();
    this.#compare();
    hold();
    state[at(thread, T_READS)] = fieldOf(state, thread, T_READS) + 1;
    const others = Atomics.sub(state, S_INSIDE, 1);
    if (others >= WRITER_INSIDE) throw new LockFault('exclusion', `a writer was let in while thread ${thread} read`);
    this.#place(PLACE_LEAVES_READ);
  }

  /** What a writer finds out when it is in: how often it was overtaken. */
  #noteOvertakings(): void {
    const { state, thread } = this.#around;
    const count = Math.max(fieldOf(state, thread, T_OVERTAKEN), fieldOf(state, thread, T_OVERTAKEN_MAX));
    state[at(thread, T_OVERTAKEN_MAX)] = count;
  }

  #compare(): void {
    const { state, thread } = this.#around;
    const [first, second] = [state[S_FIRST] as number, state[S_SECOND] as number];
    if (first !== second)
      throw new LockFault('torn read', `thread ${thread} is inside and finds ${first} and ${second}, which no writer leaves behind`);
  }

  #out(): void {
    this.#place(PLACE_OUT);
    this.#around.left();
  }

  #place(place: number): void {
    const { state, thread } = this.#around;
    Atomics.store(state, at(thread, T_PLACE), place);
  }
}

const inside = (before: number): string =>
  before >= WRITER_INSIDE ? 'a writer was' : before === 1 ? 'a reader was' : `${before} readers were`;

/** When all are done: every write counted is in the words. @throws LockFault */
export function checkUpdates(state: TortureState, threads: number): void {
  let writes = 0;
  for (let thread = 0; thread < threads; thread++) writes += fieldOf(state, thread, T_WRITES);
  const [first, second] = [state[S_FIRST] as number, state[S_SECOND] as number];
  if (first === writes && second === writes) return;
  throw new LockFault('lost update', `${writes} writes were made under the lock, and the words count ${first} and ${second}`);
}

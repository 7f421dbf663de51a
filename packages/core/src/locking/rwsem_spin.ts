/**
 * Optimistic spinning: a writer watches an owner that runs for a short while before it queues, because sleeping and waking cost more than
 * most critical sections. One spinner per lock; it may take the lock past the queue, unless HANDOFF is set.
 * @kernel kernel/locking/rwsem.c rwsem_optimistic_spin(), rwsem_spin_on_owner(); kernel/locking/osq_lock.c
 * @fidelity reduced: a second spinner queues at once instead of lining up behind the first; the watch is bounded, since here a CPU that
 * "runs" may have lost its processor
 * Next: locking/mutex.ts
 */
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, atomic_fetch_or, atomic_read, atomic_set } from '../memory/atomic.ts';
import { cpu_relax, owner_on_cpu, ownerLooks } from './cpu_relax.ts';
import {
  ownerCpu,
  RWSEM_FLAG_HANDOFF,
  RWSEM_LOCK_MASK,
  RWSEM_NONSPINNABLE,
  RWSEM_READER_OWNED,
  RWSEM_READER_SHIFT,
  RWSEM_WRITER_LOCKED,
  rwsem_set_owner,
  SEM_COUNT,
  SEM_OSQ,
  SEM_OWNER,
  semWord,
} from './rwsem_word.ts';

type OwnerState = 'none' | 'writer' | 'readers' | 'hopeless';

/** Readers that make the watch longer, at the most. */
const READERS_CAP = 30;
/** The clock is looked at once in so many rounds. */
const CLOCK_EVERY = 16;

/** Gets the place of the one spinner. @kernel osq_lock() */
export function osqTryLock(cpu: Cpu, word: Word): boolean {
  return atomic_cmpxchg(cpu, word, 0, cpu.id + 1) === 0; // Alone: only keeps others from spinning too.
}

/** @kernel osq_unlock() */
export function osqUnlock(cpu: Cpu, word: Word): void {
  atomic_set(cpu, word, 0); // Alone: only lets others spin.
}

/** Spins for the lock while that promises anything. @returns whether the lock was taken */
export function rwsem_optimistic_spin(cpu: Cpu, sem: Word): boolean {
  if (!cpu.spin || !rwsem_can_spin_on_owner(cpu, sem)) return false;
  const osq = semWord(sem, SEM_OSQ);
  if (!osqTryLock(cpu, osq)) return false;
  const taken = spinAsTheOne(cpu, sem);
  osqUnlock(cpu, osq);
  return taken;
}

/** @kernel rwsem_can_spin_on_owner() */
function rwsem_can_spin_on_owner(cpu: Cpu, sem: Word): boolean {
  const owner = atomic_read(cpu, semWord(sem, SEM_OWNER)); // Alone: a hint.
  const state = rwsem_owner_state(owner);
  return state !== 'hopeless' && (state !== 'writer' || owner_on_cpu(cpu, ownerCpu(owner)));
}

function spinAsTheOne(cpu: Cpu, sem: Word): boolean {
  let readersUntil = Number.NaN;
  let round = 0;
  for (let looks = ownerLooks(cpu); looks > 0; looks--) {
    const state = rwsem_spin_on_owner(cpu, sem);
    if (state === 'hopeless') return false;
    if (rwsem_try_write_lock_unqueued(cpu, sem)) return true;
    if (state !== 'readers') {
      readersUntil = Number.NaN;
    } else if (Number.isNaN(readersUntil)) {
      readersUntil = cpu.now() + rwsem_rspin_threshold(cpu, sem);
      round = 0;
    } else if (++round % CLOCK_EVERY === 0 && cpu.now() > readersUntil) {
      atomic_fetch_or(cpu, semWord(sem, SEM_OWNER), RWSEM_NONSPINNABLE); // Alone: a hint. Cleared by the last reader.
      return false;
    }
    cpu_relax(cpu);
  }
  return false;
}

/** How long to watch readers, in milliseconds: 10 to 25 microseconds. @kernel rwsem_rspin_threshold() */
function rwsem_rspin_threshold(cpu: Cpu, sem: Word): number {
  const count = atomic_read(cpu, semWord(sem, SEM_COUNT)); // Alone: a hint.
  const readers = Math.min(count >>> RWSEM_READER_SHIFT, READERS_CAP);
  return (10 + readers / 2) / 1000;
}

/** @kernel rwsem_owner_state() */
function rwsem_owner_state(owner: number): OwnerState {
  if ((owner & RWSEM_NONSPINNABLE) !== 0) return 'hopeless';
  if ((owner & RWSEM_READER_OWNED) !== 0) return 'readers';
  return owner === 0 ? 'none' : 'writer';
}

/** Watches a writer until it is gone, sleeps, or the patience ends. */
function rwsem_spin_on_owner(cpu: Cpu, sem: Word): OwnerState {
  const word = semWord(sem, SEM_OWNER);
  const owner = atomic_read(cpu, word); // Alone: a hint; the exchange on the count decides.
  const state = rwsem_owner_state(owner);
  if (state !== 'writer') return state;
  for (let looks = ownerLooks(cpu); looks > 0; looks--) {
    const seen = atomic_read(cpu, word); // Alone: a hint.
    if (seen !== owner) return rwsem_owner_state(seen);
    if (!owner_on_cpu(cpu, ownerCpu(owner))) return 'hopeless';
    cpu_relax(cpu);
  }
  return 'hopeless';
}

/** For a queued writer that has set HANDOFF: watches a running owner. @returns whether there is no owner any more */
export function ownerIsGone(cpu: Cpu, sem: Word): boolean {
  return cpu.spin && rwsem_spin_on_owner(cpu, sem) === 'none';
}

/** Takes the lock if nobody holds it and nobody demands it, whether others are queued or not. */
function rwsem_try_write_lock_unqueued(cpu: Cpu, sem: Word): boolean {
  const word = semWord(sem, SEM_COUNT);
  let seen = atomic_read(cpu, word); // Alone: the exchange below checks it.
  while ((seen & (RWSEM_LOCK_MASK | RWSEM_FLAG_HANDOFF)) === 0) {
    const before = atomic_cmpxchg(cpu, word, seen, seen | RWSEM_WRITER_LOCKED); // Acquire. Pairs with: up_write(), up_read().
    if (before === seen) {
      rwsem_set_owner(cpu, sem);
      return true;
    }
    seen = before;
  }
  return false;
}

/**
 * A shared counter under a lock: with a right lock nobody ever sees another CPU inside, with the lock that is wrong on purpose somebody
 * soon does. It shows that a failure is found, told and counted.
 * Next: scenarios/canary.ts
 */
import type { Word } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { busted_lock, busted_unlock } from '@faultlab/core/locking/busted_lock';
import { spin_lock, spin_unlock } from '@faultlab/core/locking/spinlock';
import { atomic_read, atomic_xchg } from '@faultlab/core/memory/atomic';
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import type { Actor } from './actor.ts';

/** Id under which two CPUs inside one lock are reported. */
export const EXCLUSION = 'exclusion';
/** Looks at the counter: long enough to be interrupted now and then. */
const STEPS_INSIDE = 50;

/** @returns 0 */
export function countUnderLock(actor: Actor, times: number): number {
  const lock = lockWord(actor);
  for (let round = 0; round < times; round++) {
    spin_lock(actor.cpu, lock);
    countInside(actor);
    spin_unlock(actor.cpu, lock);
  }
  return 0;
}

/** @returns 0. @throws InvariantError as soon as two CPUs meet inside */
export function countUnderBustedLock(actor: Actor, times: number): number {
  const lock = (lockWord(actor) + 1) as Word;
  for (let round = 0; round < times; round++) {
    busted_lock(actor.cpu, lock);
    countInside(actor);
    busted_unlock(actor.cpu, lock);
  }
  return 0;
}

const lockWord = ({ cpu, arena }: Actor): Word => (cpu.memory.userAt + arena.counter) as Word;

/** Reads, dawdles, writes: whatever another CPU counts meanwhile is lost, and noticed. */
function countInside({ cpu, arena }: Actor): void {
  const counter = (cpu.memory.userAt + arena.counter + LINE_WORDS) as Word;
  const before = atomic_read(cpu, counter);
  for (let step = 0; step < STEPS_INSIDE; step++) {
    if (atomic_read(cpu, counter) !== before) throw twoInside(before);
  }
  if (atomic_xchg(cpu, counter, before + 1) !== before) throw twoInside(before);
}

const twoInside = (before: number): InvariantError =>
  new InvariantError(EXCLUSION, `two CPUs were inside one lock: the counter moved away from ${before} while one of them was counting`);

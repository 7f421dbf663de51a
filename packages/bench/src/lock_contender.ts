/**
 * The locks under one small face, so that one loop contends on each of them: take it, touch what it guards, give it back.
 * Next: micro/rwsem/throughput.ts
 */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { repeatUntil, type Work } from './work.ts';

export interface LockContender {
  readonly name: string;
  readonly lock: (cpu: Cpu, lock: Word) => void;
  readonly unlock: (cpu: Cpu, lock: Word) => void;
}

/** Words from one lock to the next, so that two locks share no cache line (nor a pair of them). */
const STRIDE = 64;
/** What the lock guards is on a line of its own. */
const GUARDED = 32;

/** Work that takes one lock, shared by all threads, or one of its own per thread. */
export function contend(contender: LockContender, own = false): Work {
  return {
    name: `${contender.name}${own ? ', own lock' : ''}`,
    run: ({ cpu, base, thread, until }) => {
      const lock = (base + (own ? thread * STRIDE : 0)) as Word;
      const guarded = lock + GUARDED;
      const { words } = cpu;
      const operations = repeatUntil(until, (count) => {
        for (let i = 0; i < count; i++) {
          contender.lock(cpu, lock);
          words[guarded] = (words[guarded] as number) + 1;
          contender.unlock(cpu, lock);
        }
      });
      return { operations };
    },
  };
}

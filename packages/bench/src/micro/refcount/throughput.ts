/** References taken and given back per second on one object. */
import { refcount_set } from '@faultlab/core/locking/refcount';
import { repeatUntil, type Work } from '../../work.ts';
import { refcountPairs } from './latency.ts';

export const refcountWorks: readonly Work[] = [
  {
    name: 'refcount, one object',
    run: ({ cpu, base, thread, until }) => {
      // Thread 0 sets the count before its first pair; until then the others pin nothing.
      if (thread === 0) refcount_set(cpu, base, 1);
      while (cpu.ops.load(base << 2) === 0);
      return { operations: repeatUntil(until, (count) => refcountPairs(cpu, base, count)) };
    },
  },
];

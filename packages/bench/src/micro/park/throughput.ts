/** Wake-ups per second between two threads that park: each hop is one way from notify to running. */
import { atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { park, unpark } from '@faultlab/core/memory/park';
import type { Work } from '../../work.ts';

const OVER = -1;

export const parkWorks: readonly Work[] = [
  {
    name: 'park hop',
    run: ({ cpu, base, thread, until }) => {
      let operations = 0;
      for (let turn = thread; ; turn += 2) {
        let seen = atomic_read(cpu, base); // Pairs with: the store below.
        while (seen !== turn && seen !== OVER) {
          park(cpu, base, seen);
          seen = atomic_read(cpu, base); // Pairs with: the store below.
        }
        if (seen === OVER) return { operations };
        const over = performance.now() >= until;
        atomic_set(cpu, base, over ? OVER : turn + 1); // Pairs with: the loads above.
        unpark(cpu, base, 1);
        if (over) return { operations };
        operations++;
      }
    },
  },
];

/** Hand-overs per second between two threads through two completions. */
import type { Word } from '@faultlab/core/base/brand';
import { complete, wait_for_completion } from '@faultlab/core/locking/completion';
import { atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import type { Work } from '../../work.ts';

const LINE = 64;

export const completionWorks: readonly Work[] = [
  {
    name: 'completion hand-over',
    run: ({ cpu, base, thread, until }) => {
      const over = (base + LINE * 3) as Word;
      const mine = (base + LINE * (1 + thread)) as Word;
      const theirs = (base + LINE * (2 - thread)) as Word;
      if (thread === 0) complete(cpu, mine);
      let operations = 0;
      for (;;) {
        wait_for_completion(cpu, mine);
        const last = atomic_read(cpu, over) !== 0; // Pairs with: the store below.
        if (!last && performance.now() >= until) atomic_set(cpu, over, 1); // Pairs with: the load above.
        complete(cpu, theirs);
        if (last || atomic_read(cpu, over) !== 0) return { operations }; // Alone: our own store, or the other's.
        operations++;
      }
    },
  },
];

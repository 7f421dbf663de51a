/** Hand-overs per second between two threads that sleep in between: each waits for its number and wakes the other. */
import type { Word } from '@faultlab/core/base/brand';
import { rcuwait_wait_event, rcuwait_wake_up } from '@faultlab/core/locking/rcuwait';
import { atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { TASK_UNINTERRUPTIBLE } from '@faultlab/core/sched/task';
import type { Work } from '../../work.ts';

const LINE = 64;
/** Nobody waits any more. */
const OVER = -1;

export const rcuwaitWorks: readonly Work[] = [
  {
    name: 'rcuwait hand-over',
    run: ({ cpu, base, thread, until }) => {
      const mine = (base + LINE * (1 + thread)) as Word;
      const theirs = (base + LINE * (2 - thread)) as Word;
      let operations = 0;
      for (let turn = thread; ; turn += 2) {
        let seen = 0;
        const myTurn = (): boolean => {
          seen = atomic_read(cpu, base); // Pairs with: the store below.
          return seen === turn || seen === OVER;
        };
        rcuwait_wait_event(cpu, mine, myTurn, TASK_UNINTERRUPTIBLE);
        if (seen === OVER) return { operations };
        const over = performance.now() >= until;
        atomic_set(cpu, base, over ? OVER : turn + 1); // Pairs with: myTurn().
        rcuwait_wake_up(cpu, theirs);
        if (over) return { operations };
        operations++;
      }
    },
  },
];

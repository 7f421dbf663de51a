/** Callbacks per second while all CPUs read and report. Every thread queues 8 callbacks and waits until they have run. */
import type { Word } from '@faultlab/core/base/brand';
import {
  call_rcu,
  rcu_note_quiescent,
  rcu_process_callbacks,
  rcu_read_lock,
  rcu_read_unlock,
  rcuPending,
} from '@faultlab/core/locking/rcu';
import type { Work } from '../../work.ts';

const CALLBACKS = 8;

export const rcuWorks: readonly Work[] = [
  {
    name: 'rcu callbacks',
    rcuCallbacks: [() => {}],
    run: ({ cpu, base, thread, until }) => {
      const heads = base + thread * 2 * CALLBACKS;
      let operations = 0;
      while (performance.now() < until) {
        for (let i = 0; i < CALLBACKS; i++) call_rcu(cpu, (heads + i * 2) as Word, 0, i);
        while (rcuPending(cpu) !== 0 && performance.now() < until + 100) {
          rcu_read_lock(cpu);
          rcu_read_unlock(cpu);
          rcu_note_quiescent(cpu);
          rcu_process_callbacks(cpu);
        }
        operations += CALLBACKS - rcuPending(cpu);
        if (rcuPending(cpu) !== 0) break;
      }
      return { operations };
    },
  },
];

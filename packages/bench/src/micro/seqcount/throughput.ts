/** Consistent reads per second beside one writer. Thread 0 writes one section in a hundred of its operations. */
import { read_seqcount_begin, read_seqcount_retry, write_seqcount_begin, write_seqcount_end } from '@faultlab/core/locking/seqcount';
import { repeatUntil, type Work } from '../../work.ts';

const WRITE_ONE_IN = 100;

export const seqcountWorks: readonly Work[] = [
  {
    name: 'seqcount, one writer',
    run: ({ cpu, base, thread, until }) => {
      const operations = repeatUntil(until, (count) => {
        for (let i = 0; i < count; i++) {
          if (thread === 0 && i % WRITE_ONE_IN === 0) {
            write_seqcount_begin(cpu, base);
            write_seqcount_end(cpu, base);
          }
          while (read_seqcount_retry(cpu, base, read_seqcount_begin(cpu, base)));
        }
      });
      return { operations };
    },
  },
];

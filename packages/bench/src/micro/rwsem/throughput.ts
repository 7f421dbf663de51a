/** How many sections per second pass through one semaphore: readers only, one write in ten, writers only. */
import { down_read, down_write, up_read, up_write } from '@faultlab/core/locking/rwsem';
import { contend } from '../../lock_contender.ts';
import { repeatUntil, type Work } from '../../work.ts';

const WRITE_ONE_IN = 10;

const mixed: Work = {
  name: 'rwsem 90/10',
  run: ({ cpu, base, until }) => {
    const operations = repeatUntil(until, (count) => {
      for (let i = 0; i < count; i++) {
        if (i % WRITE_ONE_IN === 0) {
          down_write(cpu, base);
          up_write(cpu, base);
        } else {
          down_read(cpu, base);
          up_read(cpu, base);
        }
      }
    });
    return { operations };
  },
};

const readers: Work = {
  name: 'rwsem read',
  run: ({ cpu, base, until }) => {
    const operations = repeatUntil(until, (count) => {
      for (let i = 0; i < count; i++) {
        down_read(cpu, base);
        up_read(cpu, base);
      }
    });
    return { operations };
  },
};

export const rwsemWorks: readonly Work[] = [
  readers,
  mixed,
  contend({ name: 'rwsem write', lock: (cpu, lock) => down_write(cpu, lock), unlock: up_write }),
];

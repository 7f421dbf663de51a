/** How many sections per second pass through one mutex, and through mutexes that have nothing to do with each other. */
import { mutex_lock, mutex_unlock } from '@faultlab/core/locking/mutex';
import type { Benchmark } from '../../benchmark.ts';
import { runGang } from '../../gang.ts';
import { contend, type LockContender } from '../../lock_contender.ts';
import { millionsPerSecond, type Work } from '../../work.ts';
import { notifyingLock, notifyingUnlock } from './notifying_mutex.ts';

const mutex: LockContender = { name: 'mutex', lock: (cpu, lock) => mutex_lock(cpu, lock), unlock: mutex_unlock };
const notifying: LockContender = { name: 'mutex with unconditional notify', lock: notifyingLock, unlock: notifyingUnlock };

export const mutexWorks: readonly Work[] = [contend(mutex), contend(mutex, true), contend(notifying), contend(notifying, true)];

/** Times the speed of the variant with an unconditional notify. */
const TARGET = 3;
/** Threads that do not run at the same time cannot hold each other up. */
const CPUS_NEEDED = 1.5;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

export const independentLocks: Benchmark = {
  name: 'mutex/independent',
  question: 'do two threads on two locks of their own hold each other up?',
  run: async (smoke) => {
    const [ours, theirs]: [number[], number[]] = [[], []];
    const cpus: number[] = [];
    for (let round = 0; round < (smoke ? 1 : 5); round++) {
      const ms = smoke ? 5 : 300;
      const result = await runGang('mutex, own lock', 2, ms);
      cpus.push(result.cpus);
      ours.push(millionsPerSecond(result));
      theirs.push(millionsPerSecond(await runGang('mutex with unconditional notify, own lock', 2, ms)));
    }
    const ratio = median(ours) / median(theirs);
    return [
      { task: 'two mutexes, two threads', value: median(ours), unit: 'Mops/s', detail: `${median(cpus).toFixed(2)} CPUs received` },
      { task: 'the same with unconditional notify', value: median(theirs), unit: 'Mops/s' },
      { task: 'ratio', value: ratio, unit: 'x', target: `>= ${TARGET}`, ...(median(cpus) < CPUS_NEEDED ? {} : { met: ratio >= TARGET }) },
    ];
  },
};

/**
 * Small works for tests of lock-step: their interleavings can be counted by hand, and what is wrong with them is known.
 */
import type { Word } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { cpu_relax } from '@faultlab/core/locking/cpu_relax';
import { mutex_lock, mutex_unlock } from '@faultlab/core/locking/mutex';
import { atomic_fetch_add, atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { beginWait, endWait, park, unpark } from '@faultlab/core/memory/park';
import { WAIT_BARRIER } from '@faultlab/core/memory/percpu';
import type { WorkContext } from '@faultlab/workers/work';

export type Toy =
  /** Each CPU does so many operations on a word of its own. */
  | { readonly kind: 'steps'; readonly count: number }
  /** Two CPUs add to one word without one operation for it. */
  | { readonly kind: 'lost_update' }
  /** CPU 1 must not write between two operations of CPU 0, which has another one between them, `before` before and `after` after them. */
  | { readonly kind: 'window'; readonly before: number; readonly after: number }
  /** Two mutexes in two orders. */
  | { readonly kind: 'deadlock' }
  /** CPU 0 waits for what nobody does, looking all the time. */
  | { readonly kind: 'livelock' }
  /** CPU 0 tries again, without a word of patience, until CPU 1 has done something. */
  | { readonly kind: 'retries' }
  /** CPU `n` sleeps for 10 - n milliseconds, unless CPU 0 wakes it; then they say who was when. */
  | { readonly kind: 'sleepers'; readonly wakes: boolean }
  | { readonly kind: 'plain_loop' }
  | { readonly kind: 'throws' };

export const LINE = 16;
export const FIRST_LINE = 4;

export default function toy(context: WorkContext, data: Toy): void {
  const { cpu } = context;
  const line = (number: number): Word => (cpu.memory.userAt + (FIRST_LINE + number) * LINE) as Word;
  context.arrive();
  switch (data.kind) {
    case 'steps':
      for (let i = 0; i < data.count; i++) atomic_fetch_add(cpu, line(cpu.id), 1);
      return;
    case 'lost_update': {
      const seen = atomic_read(cpu, line(0));
      atomic_set(cpu, line(0), seen + 1);
      atomic_fetch_add(cpu, line(1), 1);
      if (atomic_read(cpu, line(1)) === cpu.memory.size.cpus && atomic_read(cpu, line(0)) !== cpu.memory.size.cpus) {
        throw new InvariantError('T01', 'an update was lost');
      }
      return;
    }
    case 'window':
      if (cpu.id !== 0) {
        atomic_set(cpu, line(0), 1);
        return;
      }
      for (let i = 0; i < data.before; i++) atomic_read(cpu, line(9));
      if (atomic_read(cpu, line(0)) === 0 && atomic_read(cpu, line(9)) === 0 && atomic_read(cpu, line(0)) === 1)
        throw new InvariantError('T02', 'the window was hit');
      for (let i = 0; i < data.after; i++) atomic_read(cpu, line(9));
      return;
    case 'deadlock': {
      const [first, second] = cpu.id === 0 ? [line(0), line(1)] : [line(1), line(0)];
      mutex_lock(cpu, first);
      mutex_lock(cpu, second);
      mutex_unlock(cpu, second);
      mutex_unlock(cpu, first);
      return;
    }
    case 'livelock':
      while (cpu.id === 0 && atomic_read(cpu, line(0)) === 0) cpu_relax(cpu);
      return;
    case 'retries':
      if (cpu.id !== 0) atomic_set(cpu, line(0), 1);
      while (cpu.id === 0 && atomic_read(cpu, line(0)) === 0) atomic_fetch_add(cpu, line(1), 1);
      return;
    case 'sleepers':
      sleepers(context, line, data.wakes);
      return;
    case 'plain_loop':
      for (let i = 0; cpu.id === 0 && cpu.words[line(0)] === 0; i++) Math.imul(i, i);
      return;
    case 'throws':
      throw new TypeError(`CPU ${cpu.id} has had enough`);
  }
}

/** The order in which they come back is on line 1, one digit for each. */
function sleepers({ cpu }: WorkContext, line: (number: number) => Word, wakes: boolean): void {
  if (cpu.id === 0) {
    if (wakes) unpark(cpu, line(0), 1);
    return;
  }
  beginWait(cpu, WAIT_BARRIER, line(0));
  const startMs = cpu.now();
  const result = park(cpu, line(0), 0, 10 - cpu.id);
  endWait(cpu);
  const order = cpu.words[line(1)] as number;
  cpu.words[line(1)] = order * 10 + cpu.id;
  cpu.words[line(2) + cpu.id] = Math.round((cpu.now() - startMs) * 1000);
  cpu.words[line(3) + cpu.id] = result;
}

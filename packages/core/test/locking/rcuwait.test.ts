/** No wake-up is lost between a waiter and a waker that hold no common lock; and a reader of a sequence count never sees half a change. */
import { rcuwait_wait_event, rcuwait_wake_up } from '@faultlab/core/locking/rcuwait';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import { SIGKILL, send_signal, TASK_KILLABLE, TASK_UNINTERRUPTIBLE } from '@faultlab/core/sched/task';
import { assert, runThreads, suite } from '@faultlab/test-support';
import { world } from './fixtures.ts';
import type { PingPongOrder, PingPongReport } from './rcuwait.worker.ts';

const test = suite('rcuwait');

test(
  'a hundred thousand rounds of waking and waiting lose no wake-up',
  async () => {
    const rounds = 100_000;
    const memory = createMemory({ ...LOCKS_ONLY_SIZE, cpus: 2 });
    const reports = await runThreads<PingPongReport, PingPongOrder>({
      module: new URL('./rcuwait.worker.js', import.meta.url),
      count: 2,
      data: (cpu) => ({ handle: memory.handle, cpu, rounds }),
      deadlineMs: 50_000,
    });
    assert.equal(
      reports.map((report) => report.rounds),
      [rounds, rounds],
    );
    // A lost wake-up hangs: the sleeper's state stays what it announced, and the test runs into its deadline.
  },
  { deadlineMs: 60_000 },
);

test('a condition that holds already needs no waker', () => {
  const { cpus, lock } = world();
  assert.is(
    rcuwait_wait_event(cpus[0], lock, () => true, TASK_UNINTERRUPTIBLE),
    0,
  );
  assert.not.ok(rcuwait_wake_up(cpus[1], lock));
});

test('a fatal signal ends a killable wait', () => {
  const { cpus, lock, memory } = world();
  send_signal(cpus[1], cpus[0].id, SIGKILL);
  assert.is(
    rcuwait_wait_event(cpus[0], lock, () => false, TASK_KILLABLE),
    -4,
  );
  assert.is(memory.words[lock], 0);
});

test('a second waiter is an error (I08)', () => {
  const { cpus, lock } = world();
  const inner = (): boolean => {
    rcuwait_wait_event(cpus[1], lock, () => true, TASK_UNINTERRUPTIBLE);
    return true;
  };
  assert.throws(() => rcuwait_wait_event(cpus[0], lock, inner, TASK_UNINTERRUPTIBLE), /I08/);
});

test.run();

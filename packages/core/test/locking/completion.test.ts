/** Completion: what one thread can show. Its clock is counted, so that a time limit passes without waiting for it. */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import {
  complete,
  complete_all,
  completion_done,
  init_completion,
  reinit_completion,
  wait_for_completion,
  wait_for_completion_timeout,
} from '@faultlab/core/locking/completion';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { PC_WAIT_KIND, WAIT_NONE } from '@faultlab/core/memory/percpu';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import { assert, suite } from '@faultlab/test-support';

const test = suite('locking/completion');

/** Every look at the clock is so much later than the one before. */
const STEP_MS = 5;

function alone(): { cpu: Cpu; done: Word } {
  const memory = createMemory(LOCKS_ONLY_SIZE);
  let nowMs = 0;
  const now = (): number => {
    nowMs += STEP_MS;
    return nowMs;
  };
  const cpu = new Cpu({ id: 0 as CpuId, memory, now });
  const done = memory.userAt as Word;
  init_completion(cpu, done);
  return { cpu, done };
}

test('a wait with a limit ends with 0 when nobody completes, and leaves no waiter behind', () => {
  const { cpu, done } = alone();
  assert.is(wait_for_completion_timeout(cpu, done, 4 * STEP_MS), 0);
  assert.is(cpu.words[cpu.percpu + PC_WAIT_KIND], WAIT_NONE);
  assert.not(completion_done(cpu, done));
  // Had the waiter stayed in the queue, this would wake it instead of being there for the next.
  complete(cpu, done);
  assert.ok(completion_done(cpu, done));
});

test('a wait with a limit takes what is complete at once, and says that time was left', () => {
  const { cpu, done } = alone();
  complete(cpu, done);
  const left = wait_for_completion_timeout(cpu, done, 100);
  assert.ok(left >= 1 && left <= 100, `${left} ms left`);
  assert.not(completion_done(cpu, done));
});

test('each complete() is good for one wait, complete_all() for all until it is set back', () => {
  const { cpu, done } = alone();
  complete(cpu, done);
  complete(cpu, done);
  wait_for_completion(cpu, done);
  wait_for_completion(cpu, done);
  assert.not(completion_done(cpu, done));
  complete_all(cpu, done);
  for (let i = 0; i < 3; i++) wait_for_completion(cpu, done);
  assert.ok(completion_done(cpu, done));
  reinit_completion(cpu, done);
  assert.not(completion_done(cpu, done));
  assert.is(wait_for_completion_timeout(cpu, done, STEP_MS), 0);
});

test.run();

/** Every sleep is bounded, says what it is for, ends when the machine is frozen, and is ended by a wake-up. */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { MachineStopped } from '@faultlab/core/base/errors';
import { Cpu } from '@faultlab/core/cpu';
import { FROZEN_FROM_OUTSIDE, H_FREEZE } from '@faultlab/core/memory/header';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { beginWait, endWait, PARK_MS_MAX, park, unpark } from '@faultlab/core/memory/park';
import { PC_PARKS, PC_RUN_STATE, PC_WAIT_KIND, PC_WAIT_WORD, RUN_RUNNING, WAIT_MUTEX, WAIT_NONE } from '@faultlab/core/memory/percpu';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import { PARK_NOT_EQUAL, PARK_TIMED_OUT } from '@faultlab/core/memory/step_gate';
import { assert, runThreads, suite } from '@faultlab/test-support';
import type { SleeperOrder } from './park.worker.ts';

const test = suite('park');

const alone = (): { cpu: Cpu; word: Word } => {
  const memory = createMemory(LOCKS_ONLY_SIZE);
  return { cpu: new Cpu({ id: 0 as CpuId, memory, now: () => performance.now() }), word: memory.userAt as Word };
};

test('a sleep that nobody ends is over after its limit', () => {
  const { cpu, word } = alone();
  const since = performance.now();
  assert.is(park(cpu, word, 0, 60_000), PARK_TIMED_OUT);
  const slept = performance.now() - since;
  assert.ok(slept >= PARK_MS_MAX - 2 && slept < 5_000, `slept ${slept} ms`);
  assert.is(cpu.words[cpu.percpu + PC_PARKS], 1);
});

test('nobody sleeps on a word that has changed', () => {
  const { cpu, word } = alone();
  assert.is(park(cpu, word, 1), PARK_NOT_EQUAL);
  assert.is(cpu.words[cpu.percpu + PC_RUN_STATE], RUN_RUNNING);
});

test('a wait is published while it lasts', () => {
  const { cpu, word } = alone();
  beginWait(cpu, WAIT_MUTEX, word);
  assert.equal([cpu.words[cpu.percpu + PC_WAIT_KIND], cpu.words[cpu.percpu + PC_WAIT_WORD]], [WAIT_MUTEX, word]);
  endWait(cpu);
  assert.is(cpu.words[cpu.percpu + PC_WAIT_KIND], WAIT_NONE);
});

test('nobody falls asleep on a frozen machine', () => {
  const { cpu, word } = alone();
  cpu.words[H_FREEZE] = FROZEN_FROM_OUTSIDE;
  assert.throws(
    () => park(cpu, word, 0),
    (error: Error) => error instanceof MachineStopped,
  );
});

test('a wake-up without a sleeper wakes nobody', () => {
  const { cpu, word } = alone();
  assert.is(unpark(cpu, word, 1), 0);
});

for (const [name, freeze, wanted] of [
  ['a freeze ends the waits of all sleepers', true, 'MachineStopped'],
  ['a change of the word with a wake-up ends the waits of all sleepers', false, 'woken'],
] as const) {
  test(name, async () => {
    const memory = createMemory(LOCKS_ONLY_SIZE);
    const sleeping = memory.userAt + 16;
    const outcomes = runThreads<string, SleeperOrder>({
      module: new URL('./park.worker.js', import.meta.url),
      count: 3,
      data: (cpu) => ({ handle: memory.handle, cpu }),
    });
    while (Atomics.load(memory.words, sleeping) < 3) await new Promise((resolve) => setImmediate(resolve));
    if (freeze) Atomics.store(memory.words, H_FREEZE, FROZEN_FROM_OUTSIDE);
    else {
      Atomics.store(memory.words, memory.userAt, 1);
      Atomics.notify(memory.words, memory.userAt);
    }
    assert.equal(await outcomes, [wanted, wanted, wanted]);
  });
}

test.run();

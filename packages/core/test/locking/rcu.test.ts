/** Grace periods: a callback never runs before a read section that was open when it was queued has ended. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import {
  call_rcu,
  rcu_barrier,
  rcu_idle_enter,
  rcu_idle_exit,
  rcu_note_quiescent,
  rcu_process_callbacks,
  rcu_read_lock,
  rcu_read_unlock,
  rcu_try_advance,
  rcuPending,
  synchronize_rcu,
} from '@faultlab/core/locking/rcu';
import { H_RCU_GP_SEQ } from '@faultlab/core/memory/header';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import { assert, runThreads, suite } from '@faultlab/test-support';
import { type World, world } from './fixtures.ts';
import type { RcuOrder, RcuReport } from './rcu.worker.ts';

const test = suite('rcu');

interface RcuWorld extends World {
  readonly ran: number[];
}

/** CPUs 0 and 1 online, the others not. Callback 0 writes down its argument. */
function rcuWorld(): RcuWorld {
  const ran: number[] = [];
  const made = world({ rcuCallbacks: [(_cpu, argument) => ran.push(argument)] });
  rcu_idle_exit(made.cpus[0]);
  rcu_idle_exit(made.cpus[1]);
  return { ...made, ran };
}

const processOften = (cpu: Cpu): void => {
  for (let i = 0; i < 10; i++) rcu_process_callbacks(cpu);
};

test('a callback waits for a reader that was there before, and runs after it has gone', () => {
  const { cpus, other, ran } = rcuWorld();
  rcu_read_lock(cpus[1]);
  call_rcu(cpus[0], other, 0, 42);
  processOften(cpus[0]);
  assert.equal([ran, rcuPending(cpus[0])], [[], 1]);
  rcu_read_unlock(cpus[1]);
  processOften(cpus[0]);
  assert.equal(ran, [], 'the section has ended but the CPU has not said so');
  for (let i = 0; i < 4; i++) {
    rcu_note_quiescent(cpus[1]);
    processOften(cpus[0]);
  }
  assert.equal([ran, rcuPending(cpus[0])], [[42], 0]);
});

test('a reader that reported the running grace period before it entered its section is waited for', () => {
  const { cpus, other, ran } = rcuWorld();
  rcu_note_quiescent(cpus[0]);
  rcu_note_quiescent(cpus[1]); // Has reported this period, and now reads.
  rcu_read_lock(cpus[1]);
  call_rcu(cpus[0], other, 0, 1);
  processOften(cpus[0]);
  assert.equal(ran, []);
});

test('a CPU that sleeps is not waited for', () => {
  const { cpus, other, ran } = rcuWorld();
  rcu_idle_enter(cpus[1]);
  call_rcu(cpus[0], other, 0, 7);
  processOften(cpus[0]);
  assert.equal(ran, [7]);
});

test('callbacks run in their order, those queued by callbacks later', () => {
  const ran: number[] = [];
  const { cpus, other } = world({
    rcuCallbacks: [
      (cpu, argument) => {
        ran.push(argument);
        if (argument < 3) call_rcu(cpu, (other + 8) as Word, 0, argument + 10);
      },
    ],
  });
  rcu_idle_exit(cpus[0]);
  call_rcu(cpus[0], other, 0, 2);
  call_rcu(cpus[0], (other + 2) as Word, 0, 3);
  call_rcu(cpus[0], (other + 4) as Word, 0, 4);
  rcu_barrier(cpus[0]);
  assert.equal(ran, [2, 3, 4, 12]);
});

test('grace-period numbers wrap around', () => {
  const { cpus, other, ran, memory } = rcuWorld();
  rcu_idle_enter(cpus[1]);
  for (const start of [-3, 0x7ffffffe]) {
    memory.words[H_RCU_GP_SEQ] = start;
    rcu_note_quiescent(cpus[0]);
    call_rcu(cpus[0], other, 0, 5);
    processOften(cpus[0]);
  }
  assert.equal(ran, [5, 5]);
});

test('a grace period does not end while a CPU has not reported it', () => {
  const { cpus, memory } = rcuWorld();
  rcu_note_quiescent(cpus[0]);
  rcu_note_quiescent(cpus[1]);
  assert.ok(rcu_try_advance(cpus[0]));
  assert.not.ok(rcu_try_advance(cpus[0]));
  assert.is(memory.words[H_RCU_GP_SEQ], 1);
});

for (const [name, act] of [
  [
    'sleeping in a read section',
    (w) => {
      rcu_read_lock(w.cpus[0]);
      synchronize_rcu(w.cpus[0]);
    },
  ],
  [
    'a quiescent state in a read section',
    (w) => {
      rcu_read_lock(w.cpus[0]);
      rcu_note_quiescent(w.cpus[0]);
    },
  ],
  ['an unlock without a lock', (w) => rcu_read_unlock(w.cpus[0])],
  ['an argument that does not fit', (w) => call_rcu(w.cpus[0], w.other, 0, 1 << 24)],
  ['an unknown callback', (w) => call_rcu(w.cpus[0], w.other, 5, 0)],
] as const satisfies readonly (readonly [string, (w: RcuWorld) => void])[]) {
  test(`${name} is an error`, () => {
    assert.throws(() => act(rcuWorld()), /assert:/);
  });
}

test('readers on real threads never see an object whose callback has run', async () => {
  const memory = createMemory({ ...LOCKS_ONLY_SIZE, cpus: 3 });
  const reports = await runThreads<RcuReport, RcuOrder>({
    module: new URL('./rcu.worker.js', import.meta.url),
    count: 3,
    data: (cpu) => ({ handle: memory.handle, cpu, updates: 4000 }),
  });
  assert.equal(
    reports.map((report) => report.dead),
    [0, 0, 0],
  );
  assert.is(reports[0]?.freed, 3999, 'all but the last object');
  assert.ok((reports[1]?.reads ?? 0) > 0 && (reports[2]?.reads ?? 0) > 0);
});

test.run();

/** The two sets of atomic operations give the same results, alone and against each other; and the gate sees every operation. */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import {
  atomic_cmpxchg,
  atomic_fetch_add,
  atomic_fetch_and,
  atomic_fetch_or,
  atomic_inc_not_zero_limited,
  atomic_read,
  atomic_set,
  atomic_xchg,
  READ_ONCE,
  WRITE_ONCE,
} from '@faultlab/core/memory/atomic';
import type { AtomicOps } from '@faultlab/core/memory/atomic_ops';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { park, unpark } from '@faultlab/core/memory/park';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import { PARK_TIMED_OUT, STEP_READ, STEP_UPDATE, STEP_WRITE, type StepGate } from '@faultlab/core/memory/step_gate';
import { assert, runThreads, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import type { FunnelOrder, FunnelReport } from './funnel.worker.ts';

const test = suite('the funnel');

type Operation = readonly [kind: keyof AtomicOps, word: number, value: number, second: number];

const int32 = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)),
  fc.integer({ min: 0, max: 8 }),
);
const kinds = fc.constantFrom<keyof AtomicOps>('load', 'store', 'add', 'and', 'or', 'xchg', 'cmpxchg', 'incNotZeroLimited');
const operations: fc.Arbitrary<Operation[]> = fc.array(fc.tuple(kinds, fc.integer({ min: 0, max: 3 }), int32, int32), { size: 'medium' });

function perform(ops: AtomicOps, base: number, [kind, word, value, second]: Operation): number {
  const byte = (base + word) << 2;
  switch (kind) {
    case 'load':
      return ops.load(byte);
    case 'store':
      ops.store(byte, value);
      return 0;
    case 'cmpxchg':
      return ops.cmpxchg(byte, value, second);
    default:
      return ops[kind](byte, value);
  }
}

test('WebAssembly and Atomics agree on every result of every sequence', () => {
  const wasm = createMemory(LOCKS_ONLY_SIZE);
  const plain = createMemory(LOCKS_ONLY_SIZE, true);
  fc.assert(
    fc.property(operations, (list) => {
      for (const memory of [wasm, plain]) memory.user.fill(0, 0, 4);
      for (const operation of list) assert.is(perform(wasm.ops, wasm.userAt, operation), perform(plain.ops, plain.userAt, operation));
      assert.equal([...wasm.user.subarray(0, 4)], [...plain.user.subarray(0, 4)]);
    }),
  );
});

for (const kind of ['wasm', 'plain', 'both'] as const) {
  test(`four threads lose no operation: ${kind}`, async () => {
    const rounds = 20_000;
    const memory = createMemory({ ...LOCKS_ONLY_SIZE, cpus: 4 }, kind === 'plain');
    const reports = await runThreads<FunnelReport, FunnelOrder>({
      module: new URL('./funnel.worker.js', import.meta.url),
      count: 4,
      data: (cpu) => ({ handle: memory.handle, cpu, rounds, plainOps: kind === 'plain' || (kind === 'both' && cpu % 2 === 1) }),
    });
    const sum = (of: (report: FunnelReport) => number): number => reports.reduce((total, report) => total + of(report), 0);
    const [added, exchanged, bits, counted, swapped] = memory.user;
    assert.is(added, 4 * rounds);
    assert.is(exchanged, 4 * rounds, 'compare-and-exchange');
    assert.is(bits, 0);
    assert.is(
      sum((report) => report.bitsLost),
      0,
    );
    assert.is(counted, 1 + sum((report) => report.pinned));
    assert.is(sum((report) => report.tokensSeen) + (swapped as number), 4 * rounds, 'what was put in by exchange came out');
  });
}

test('the gate is asked before each operation, with its kind and its word', () => {
  const memory = createMemory(LOCKS_ONLY_SIZE);
  const seen: [number, number, number][] = [];
  const gate: StepGate = {
    step: (cpu, kind, word) => void seen.push([cpu, kind, word]),
    park: (cpu, word) => {
      seen.push([cpu, 100, word]);
      return PARK_TIMED_OUT;
    },
    unpark: (cpu, word) => {
      seen.push([cpu, 101, word]);
      return 0;
    },
  };
  const cpu = new Cpu({ id: 3 as CpuId, memory, gate, now: () => 0 });
  const word = memory.userAt as Word;
  atomic_read(cpu, word);
  atomic_set(cpu, word, 1);
  atomic_fetch_add(cpu, word, 1);
  atomic_fetch_and(cpu, word, 1);
  atomic_fetch_or(cpu, word, 1);
  atomic_xchg(cpu, word, 1);
  atomic_cmpxchg(cpu, word, 1, 2);
  atomic_inc_not_zero_limited(cpu, word, 9);
  READ_ONCE(cpu, word);
  WRITE_ONCE(cpu, word, 1);
  park(cpu, word, 0);
  unpark(cpu, word, 1);
  const update = [3, STEP_UPDATE, word];
  const read = [3, STEP_READ, word];
  const write = [3, STEP_WRITE, word];
  assert.equal(seen, [read, write, update, update, update, update, update, update, read, write, [3, 100, word], [3, 101, word]]);
});

test.run();

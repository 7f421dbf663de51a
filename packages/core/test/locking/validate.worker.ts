/**
 * One thread of the validate test: under the write lock eight increments, a check, eight decrements, a check; under the read lock a
 * check. Counts what it sees broken instead of throwing, so that a lock that is wrong can be told from a test that is.
 */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { PC_RUN_STATE, RUN_RUNNING } from '@faultlab/core/memory/percpu';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';
import { LOCK_KINDS, type LockKind, type LockName } from './lock_kinds.ts';

export interface ValidateOrder {
  readonly handle: MemoryHandle;
  readonly cpu: number;
  readonly threads: number;
  readonly kind: LockName;
  readonly rounds: number;
  /** One of so many operations writes. */
  readonly writeOneIn: number;
  readonly spin: boolean;
}

export interface ValidateReport {
  readonly broken: number;
  readonly writes: number;
}

/** Words of the user region: the lock, guarded data, the start gate. */
export const LOCK_LINE = 2;
export const DATA_LINE = 4;
const GATE_LINE = 6;
const GUARDED = 8;

export default function validate(order: ValidateOrder): ValidateReport {
  const memory = attachMemory(order.handle);
  const cpu = new Cpu({ id: order.cpu as CpuId, memory, now: () => performance.now(), seed: 7, spin: order.spin });
  memory.words[cpu.percpu + PC_RUN_STATE] = RUN_RUNNING;
  const lock = (memory.userAt + LOCK_LINE * 16) as Word;
  const data = memory.userAt + DATA_LINE * 16;
  const kind: LockKind = LOCK_KINDS[order.kind];
  waitForAll(memory.words, memory.userAt + GATE_LINE * 16, order.threads);
  let broken = 0;
  let writes = 0;
  const uniform = (value: number): void => {
    for (let i = 0; i < GUARDED; i++) if (memory.words[data + i] !== value) broken++;
  };
  const change = (delta: number): void => {
    for (let i = 0; i < GUARDED; i++) memory.words[data + i] = (memory.words[data + i] as number) + delta;
  };
  for (let round = 0; round < order.rounds; round++) {
    if (kind.shared !== undefined && !cpu.prng.chance(1, order.writeOneIn)) {
      kind.shared.read(cpu, lock);
      uniform(0);
      kind.shared.unread(cpu, lock);
      continue;
    }
    kind.write(cpu, lock);
    change(1);
    uniform(1);
    change(-1);
    uniform(0);
    memory.words[data + GUARDED] = (memory.words[data + GUARDED] as number) + 1;
    writes++;
    if (kind.shared !== undefined && round % 3 === 0) {
      kind.shared.downgrade(cpu, lock);
      uniform(0);
      kind.shared.unread(cpu, lock);
    } else {
      kind.unwrite(cpu, lock);
    }
  }
  return { broken, writes };
}

/** All threads start together. */
function waitForAll(words: Int32Array, word: number, threads: number): void {
  Atomics.add(words, word, 1);
  Atomics.notify(words, word);
  for (let seen = Atomics.load(words, word); seen < threads; seen = Atomics.load(words, word)) Atomics.wait(words, word, seen, 1000);
}

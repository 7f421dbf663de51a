/**
 * The operations of a CPU that has a gate: each takes its turn first. The functions of the funnel are the same with and without a gate, so a
 * free-running CPU does not pay for the possibility, not even with a test.
 * Next: memory/atomic.ts
 */
import type { CpuId } from '../base/brand.ts';
import type { AtomicOps } from './atomic_ops.ts';
import { STEP_READ, STEP_UPDATE, STEP_WRITE, type StepGate } from './step_gate.ts';

export function gatedOps(ops: AtomicOps, gate: StepGate, id: CpuId): AtomicOps {
  return {
    load: (byte) => {
      gate.step(id, STEP_READ, byte >>> 2);
      return ops.load(byte);
    },
    store: (byte, value) => {
      gate.step(id, STEP_WRITE, byte >>> 2);
      ops.store(byte, value);
    },
    add: (byte, value) => {
      gate.step(id, STEP_UPDATE, byte >>> 2);
      return ops.add(byte, value);
    },
    and: (byte, value) => {
      gate.step(id, STEP_UPDATE, byte >>> 2);
      return ops.and(byte, value);
    },
    or: (byte, value) => {
      gate.step(id, STEP_UPDATE, byte >>> 2);
      return ops.or(byte, value);
    },
    xchg: (byte, value) => {
      gate.step(id, STEP_UPDATE, byte >>> 2);
      return ops.xchg(byte, value);
    },
    cmpxchg: (byte, expected, value) => {
      gate.step(id, STEP_UPDATE, byte >>> 2);
      return ops.cmpxchg(byte, expected, value);
    },
    incNotZeroLimited: (byte, limit) => {
      gate.step(id, STEP_UPDATE, byte >>> 2);
      return ops.incNotZeroLimited(byte, limit);
    },
  };
}

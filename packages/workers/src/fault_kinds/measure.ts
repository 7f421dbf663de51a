/**
 * Takes a fault of each kind once under a policy, on a fresh machine each, and counts what it took.
 * Next: lock_table.ts prints the counts of several policies side by side
 */
import { assert } from '@faultlab/core/base/assert';
import { PC_MAJ_FLT } from '@faultlab/core/memory/percpu';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { type CounterName, readCounters } from '@faultlab/core/trace/counters';
import { FAULT_KINDS } from './by_name.ts';
import type { FaultKind } from './fault_kind.ts';
import { type FaultLock, type MemoryWrapper, OneThreadMachine } from './one_thread_machine.ts';

/** What one fault took, from the access to the access done. */
export interface FaultCounts {
  readonly kind: string;
  /** mmap_lock, for reading and for writing. */
  readonly mmapRead: number;
  readonly mmapWrite: number;
  /** Attempts under the VMA lock, and under mmap_lock. */
  readonly vmaAttempts: number;
  readonly mmapAttempts: number;
  /** Attempts that dropped their lock before they waited. */
  readonly dropped: number;
  readonly major: boolean;
  /** The fault lock held in each wait, one after the other; none for a fault that did not wait. */
  readonly waits: readonly FaultLock[];
}

/** @param wrap see OneThreadMachine @param around called right before and right after the access */
export function measureKind(
  policy: FaultPolicy,
  kind: FaultKind,
  wrap?: MemoryWrapper,
  around: (begin: boolean) => void = () => {},
): FaultCounts {
  const machine = new OneThreadMachine(policy, wrap);
  const access = kind.prepare(machine);
  const before = readCounters(machine.cpu.memory);
  const majorBefore = machine.cpu.words[machine.cpu.percpu + PC_MAJ_FLT] as number;
  machine.takeWaits();
  around(true);
  const ended = access();
  around(false);
  assert(ended === (kind.ends ?? 0), 'measureKind: the access did not end as its kind says');
  const after = readCounters(machine.cpu.memory);
  const delta = (name: CounterName): number => after[name] - before[name];
  return {
    kind: kind.name,
    mmapRead: delta('mmap_read_acquired'),
    mmapWrite: delta('mmap_write_acquired'),
    vmaAttempts: delta('vma_lock_success') + delta('vma_lock_retry'),
    mmapAttempts: delta('mmap_attempts') + delta('faults_gup'),
    dropped: delta('lock_dropped_for_io'),
    major: machine.cpu.words[machine.cpu.percpu + PC_MAJ_FLT] !== majorBefore,
    waits: withoutRepeats(machine.takeWaits()),
  };
}

/** A wait of several steps is one wait. */
const withoutRepeats = (waits: readonly FaultLock[]): FaultLock[] => waits.filter((lock, index) => lock !== waits[index - 1]);

/** One fault of each kind. */
export const measureKinds = (policy: FaultPolicy): FaultCounts[] => FAULT_KINDS.map((kind) => measureKind(policy, kind));

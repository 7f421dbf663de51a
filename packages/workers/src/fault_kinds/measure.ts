/**
 * Takes a fault of each kind once under a policy, on a fresh machine each, and counts what it took.
 * Next: lock_table.ts prints the counts of several policies side by side
 */
import { assert } from '@faultlab/core/base/assert';
import { PC_MAJ_FLT } from '@faultlab/core/memory/percpu';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import {
  FAULTS_GUP,
  LOCK_DROPPED_FOR_IO,
  MMAP_ATTEMPTS,
  MMAP_READ_ACQUIRED,
  MMAP_WRITE_ACQUIRED,
  VMA_LOCK_RETRY,
  VMA_LOCK_SUCCESS,
} from '@faultlab/core/trace/counters';
import { FAULT_KINDS } from './by_name.ts';
import type { FaultKind } from './fault_kind.ts';
import { type FaultLock, OneThreadMachine, type OneThreadOptions } from './one_thread_machine.ts';

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

const COUNTED: readonly number[] = [
  MMAP_READ_ACQUIRED,
  MMAP_WRITE_ACQUIRED,
  VMA_LOCK_SUCCESS,
  VMA_LOCK_RETRY,
  MMAP_ATTEMPTS,
  FAULTS_GUP,
  LOCK_DROPPED_FOR_IO,
  PC_MAJ_FLT,
];

export interface MeasureOptions extends OneThreadOptions {
  /** Called right before and right after the access. */
  readonly around?: (begin: boolean) => void;
  /** Called when the fault is over. */
  readonly finish?: (machine: OneThreadMachine) => void;
}

export function measureKind(policy: FaultPolicy, kind: FaultKind, options: MeasureOptions = {}): FaultCounts {
  const { around = () => {}, finish = () => {} } = options;
  const machine = new OneThreadMachine(policy, options);
  const access = kind.prepare(machine);
  // Of the CPU that faults; a handler's own locks are not the fault's.
  const counted = (): number[] => COUNTED.map((event) => machine.cpu.words[machine.cpu.percpu + event] as number);
  const before = counted();
  machine.takeWaits();
  around(true);
  const ended = access();
  around(false);
  assert(ended === (kind.ends ?? 0), 'measureKind: the access did not end as its kind says');
  const after = counted();
  const waits = withoutRepeats(machine.takeWaits());
  finish(machine);
  const delta = (event: number): number => (after[COUNTED.indexOf(event)] as number) - (before[COUNTED.indexOf(event)] as number);
  return {
    kind: kind.name,
    mmapRead: delta(MMAP_READ_ACQUIRED),
    mmapWrite: delta(MMAP_WRITE_ACQUIRED),
    vmaAttempts: delta(VMA_LOCK_SUCCESS) + delta(VMA_LOCK_RETRY),
    mmapAttempts: delta(MMAP_ATTEMPTS) + delta(FAULTS_GUP),
    dropped: delta(LOCK_DROPPED_FOR_IO),
    major: delta(PC_MAJ_FLT) > 0,
    waits,
  };
}

/** A wait of several steps is one wait. */
const withoutRepeats = (waits: readonly FaultLock[]): FaultLock[] => waits.filter((lock, index) => lock !== waits[index - 1]);

/** One fault of each kind. */
export const measureKinds = (policy: FaultPolicy): FaultCounts[] => FAULT_KINDS.map((kind) => measureKind(policy, kind));

/**
 * What every CPU of a machine is doing, as plain data, read from the words that the CPUs publish about themselves. Exact for a CPU that
 * does not move; for the others a glance.
 * Next: stall_report.ts prints it.
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { MODE_WRITE, readHeld } from '@faultlab/core/locking/held_locks';
import { lockClassName } from '@faultlab/core/locking/lock_class';
import {
  PC_FAULT_VPN,
  PC_MM,
  PC_OP_INDEX,
  PC_PROGRESS,
  PC_RUN_STATE,
  PC_WAIT_KIND,
  PC_WAIT_SINCE,
  PC_WAIT_WORD,
  percpuBase,
  WAIT_NAMES,
  WAIT_NONE,
  WAIT_SPINLOCK,
} from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { lockName, recordName } from './word_names.ts';

export interface HeldState {
  readonly word: number;
  readonly name: string;
  readonly mode: 'read' | 'write';
}

export interface WaitState {
  readonly kind: string;
  readonly word: number;
  /** What the word belongs to. */
  readonly name: string;
  readonly sinceMs: number;
}

export interface CpuState {
  readonly cpu: number;
  readonly run: 'offline' | 'running' | 'parked' | 'done';
  /** Operations finished. */
  readonly progress: number;
  readonly op: string;
  readonly mm: number;
  /** Page of the fault being handled, or undefined. */
  readonly faultPage: number | undefined;
  readonly held: readonly HeldState[];
  readonly waits: WaitState | undefined;
  /** CPUs that hold what this one waits for, as far as can be told. */
  readonly blockedBy: readonly number[];
}

const RUN_NAMES = ['offline', 'running', 'parked', 'done'] as const;

/** @param nowMs on the clock of the CPUs */
export function machineState(
  memory: SharedMemory,
  cpus: readonly number[],
  nowMs: number,
  describeOp?: (cpu: number) => string | undefined,
): CpuState[] {
  const held = new Map(cpus.map((cpu) => [cpu, heldOf(memory, cpu)]));
  return cpus.map((cpu) => {
    const read = (field: number): number => memory.words[percpuBase(memory.percpuAt, cpu as CpuId) + field] as number;
    const waits = waitOf(memory, read, nowMs);
    const faultPage = read(PC_FAULT_VPN);
    return {
      cpu,
      run: RUN_NAMES[read(PC_RUN_STATE)] ?? 'offline',
      progress: read(PC_PROGRESS),
      op: describeOp?.(cpu) ?? `operation ${read(PC_OP_INDEX)}`,
      mm: read(PC_MM),
      faultPage: faultPage === 0 ? undefined : faultPage - 1,
      held: held.get(cpu) ?? [],
      waits,
      blockedBy: waits === undefined ? [] : holdersOf(memory, held, cpu, waits, read(PC_WAIT_KIND)),
    };
  });
}

function heldOf(memory: SharedMemory, cpu: number): HeldState[] {
  return readHeld(memory, cpu as CpuId).map((lock) => ({
    word: lock.word,
    name: lockName(memory.layout, lockClassName(lock.class), lock.word),
    mode: lock.mode === MODE_WRITE ? 'write' : 'read',
  }));
}

function waitOf(memory: SharedMemory, read: (field: number) => number, nowMs: number): WaitState | undefined {
  const kind = read(PC_WAIT_KIND);
  if (kind === WAIT_NONE) return undefined;
  const word = read(PC_WAIT_WORD);
  const sinceMs = Math.max(0, Math.round(nowMs - read(PC_WAIT_SINCE)));
  return { kind: WAIT_NAMES[kind] ?? `kind ${kind}`, word, name: recordName(memory.layout, word), sinceMs };
}

/** Who holds the word: by the lists of held locks, or for a spinlock by the word itself. */
function holdersOf(
  memory: SharedMemory,
  held: ReadonlyMap<number, readonly HeldState[]>,
  waiter: number,
  waits: WaitState,
  kind: number,
): number[] {
  if (kind === WAIT_SPINLOCK) {
    const owner = (memory.words[waits.word] as number) & 0xffff;
    return owner === 0 || owner - 1 === waiter ? [] : [owner - 1];
  }
  // An area has several lock words; whoever holds one of them blocks who waits for another.
  const { base, words } = memory.layout.regions.vmas;
  const inArea = waits.word >= base && waits.word < base + words;
  const blocks = (lock: HeldState): boolean => lock.word === waits.word || (inArea && recordName(memory.layout, lock.word) === waits.name);
  return [...held].filter(([cpu, locks]) => cpu !== waiter && locks.some(blocks)).map(([cpu]) => cpu);
}

/** A cycle of CPUs that wait for each other, first CPU repeated at the end; undefined when there is none. */
export function waitCycle(states: readonly CpuState[]): number[] | undefined {
  const blockers = new Map(states.map((state) => [state.cpu, state.blockedBy]));
  const done = new Set<number>();
  const visit = (cpu: number, trail: readonly number[]): number[] | undefined => {
    const position = trail.indexOf(cpu);
    if (position >= 0) return [...trail.slice(position), cpu];
    if (done.has(cpu)) return undefined;
    for (const next of blockers.get(cpu) ?? []) {
      const cycle = visit(next, [...trail, cpu]);
      if (cycle !== undefined) return cycle;
    }
    done.add(cpu);
    return undefined;
  };
  for (const state of states) {
    const cycle = visit(state.cpu, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

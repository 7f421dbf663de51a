/**
 * Cpu: one thread, which is one CPU running one task. The first argument of everything.
 * It holds no shared state, only this thread's view of it, its seeded randomness, its clock and its hooks.
 * Next: sched/task.ts for sleeping, fault/do_user_addr_fault.ts for what it does for a living.
 */
import type { CpuId, MmId, Word } from './base/brand.ts';
import { NO_MM } from './base/brand.ts';
import { UsageError } from './base/errors.ts';
import { Prng } from './base/prng.ts';
import type { AtomicOps } from './memory/atomic_ops.ts';
import { gatedOps } from './memory/gated_ops.ts';
import { H_MUTANT } from './memory/header.ts';
import { percpuBase } from './memory/percpu.ts';
import type { SharedMemory } from './memory/shared_memory.ts';
import type { SharedWords } from './memory/shared_words.ts';
import type { StepGate } from './memory/step_gate.ts';
import { archByName } from './policy/arch_entries.ts';
import { type ArchEntry, type EntryRules, entryRules } from './policy/arch_entry.ts';
import type { FaultPolicy } from './policy/fault_policy.ts';
import { policyByName } from './policy/policies.ts';
import { type InjectionPlan, Injector } from './trace/injector.ts';
import type { PointObserver } from './trace/points.ts';

/** What runs when the grace period of a callback has passed. */
export type RcuCallback = (cpu: Cpu, argument: number) => void;

/** What runs on the device's CPU when a request is served; numbers of io/device_record.ts. May not sleep. */
export type EndIo = (cpu: Cpu, device: number, request: number) => void;
/**
 * What a thread does instead of sleeping: lets a device that it serves itself finish something, or another CPU of the same thread make a step.
 * @returns whether anything was done; if not, the CPU sleeps
 */
export type IdleWork = () => boolean;
/**
 * Reclaim, for layers below it: frees pages of a memory cgroup, or of the whole machine with 0, and says how many.
 * @locks in: no spinlock, no i_mmap and no anon_vma lock. May sleep
 */
export type TryToFree = (cpu: Cpu, memcg: number, pages: number) => number;
/**
 * The killer, for layers below it: nothing can be reclaimed in a memory cgroup, or in the whole machine with null.
 * @locks in: no spinlock, no i_mmap and no anon_vma lock. @returns whether memory may come of it: try again
 */
export type OutOfMemory = (cpu: Cpu, memcg: number | null) => boolean;
/** The stamp that a block of a device holds until somebody writes it. */
export type BlockContents = (extent: number, block: number) => number;

/** Tree nodes set aside by mas_preallocate(), and how many of them the stores still to come may take. */
export interface NodeReserve {
  readonly nodes: number[];
  promised: number;
}

export interface CpuOptions {
  readonly id: CpuId;
  readonly memory: SharedMemory;
  /** Milliseconds, any origin, never going back. Core has no clock of its own. */
  readonly now: () => number;
  readonly seed?: number;
  readonly policy?: FaultPolicy;
  /** Whose fault entry the CPU has; x86 if absent. */
  readonly arch?: ArchEntry;
  readonly gate?: StepGate | null;
  readonly points?: PointObserver | null;
  /** Trouble to inject; none if absent. An observer of `points` that is given too has the points for itself. */
  readonly inject?: InjectionPlan | null;
  /** See `Cpu.stopped`. */
  readonly stopped?: (() => never) | null;
  /** Check more than the constant-time assertions. */
  readonly verify?: boolean;
  /** Bounded spinning pays only when the holder can run at the same time: false on one core. */
  readonly spin?: boolean;
  readonly rcuCallbacks?: readonly RcuCallback[];
  readonly endIo?: readonly EndIo[];
  readonly blockContents?: readonly BlockContents[];
  readonly tryToFree?: TryToFree;
  readonly outOfMemory?: OutOfMemory;
  readonly idle?: IdleWork | null;
  /** Record events in this CPU's ring. */
  readonly trace?: boolean;
}

export class Cpu {
  readonly id: CpuId;
  /** With verify a view of its own, in which mm/area_token.ts can close a record. */
  readonly memory: SharedMemory;
  readonly words: SharedWords;
  readonly ops: AtomicOps;
  readonly gate: StepGate | null;
  readonly points: PointObserver | null;
  /** Null when nothing is injected, and then nothing more than this is looked at. */
  readonly inject: Injector | null;
  /** What the CPU does when an injection stops it for ever; null: it sleeps until the machine is frozen. */
  readonly stopped: (() => never) | null;
  readonly percpu: Word;
  readonly now: () => number;
  readonly prng: Prng;
  readonly policy: FaultPolicy;
  /** The fault entry of the CPU's architecture, as of the policy's release. */
  readonly entry: EntryRules;
  /** The policy counts readers of an area (6.15 on): asked so often that it has a field of its own. */
  readonly vmaRefcount: boolean;
  readonly verify: boolean;
  /** The bug that this machine has on purpose (mutants/ids.ts), 0 for none. Asked only where the fix is. */
  readonly mutant: number;
  readonly spin: boolean;
  readonly rcuCallbacks: readonly RcuCallback[];
  readonly endIo: readonly EndIo[];
  readonly blockContents: readonly BlockContents[];
  readonly tryToFree: TryToFree;
  readonly outOfMemory: OutOfMemory;
  readonly traceMask: number;
  /** Set by whoever runs a whole machine on one thread. */
  idle: IdleWork | null;
  /** Only mm/maple_store.ts and mm/maple_node.ts look inside. */
  readonly nodeReserve: NodeReserve = { nodes: [], promised: 0 };
  traceNext = 0;
  /** Locks held, as registered by locking/held_locks.ts. */
  held = 0;
  /** Nesting of RCU read sections; sleeping inside one is a bug. */
  rcuNesting = 0;
  /** Spinlocks held; sleeping with one is a bug. */
  spinDepth = 0;
  /** The records of areas as they are, while this CPU's view of them is guarded. Only mm/area_token.ts looks here. */
  revoked: SharedWords | null = null;
  /** The stamp that the last read returned. */
  value = 0;
  /** For each file, the errors of write-back that this task has been told (mm/errseq.ts): it has each file open once. @kernel file->f_wb_err */
  readonly wbErrSeen: Int32Array;
  /** Set when a charge went over `high`: the task reclaims before it returns to user mode. @kernel memcg_nr_pages_over_high */
  overHigh = 0;
  /** Pages that the task has charged beyond it since. */
  pagesOverHigh = 0;
  /** In a fault of user code: only there may a charge end in a kill. @kernel task_struct.in_user_fault */
  inUserFault = false;
  /** Faults of user code in a row that found no memory. */
  faultsWithoutMemory = 0;
  /** With verify: an attempt of the running fault has done I/O. Only the fault entry looks here (I27). */
  majorSeen = false;
  /** The address space that this task runs on. */
  mm: MmId = NO_MM;

  constructor(options: CpuOptions) {
    const { id, memory } = options;
    if (!Number.isInteger(id) || id < 0 || id >= memory.size.cpus) {
      throw new UsageError(`CPU ${id} does not exist in a memory made for ${memory.size.cpus} CPUs; raise size.cpus or use a smaller id.`);
    }
    this.id = id;
    this.memory = options.verify === true ? Object.assign(Object.create(Object.getPrototypeOf(memory)), memory) : memory;
    this.words = memory.words;
    this.gate = options.gate ?? null;
    this.ops = this.gate === null ? memory.ops : gatedOps(memory.ops, this.gate, id);
    this.percpu = percpuBase(memory.percpuAt, id);
    this.now = options.now;
    this.stopped = options.stopped ?? null;
    this.inject = options.inject === undefined || options.inject === null ? null : new Injector(this, options.inject);
    this.points = options.points ?? (this.inject?.atPoints === true ? this.inject : null);
    this.prng = new Prng(options.seed ?? 1, id);
    this.policy = options.policy ?? policyByName('linux-6.18');
    this.entry = entryRules(options.arch ?? archByName('x86'), this.policy);
    this.vmaRefcount = this.policy.vmaLock === 'refcount';
    this.verify = options.verify ?? false;
    this.mutant = memory.words[H_MUTANT] as number;
    this.spin = options.spin ?? true;
    this.rcuCallbacks = options.rcuCallbacks ?? [];
    this.endIo = options.endIo ?? [];
    this.blockContents = options.blockContents ?? [];
    this.tryToFree = options.tryToFree ?? (() => 0);
    this.outOfMemory = options.outOfMemory ?? (() => false);
    this.idle = options.idle ?? null;
    this.wbErrSeen = new Int32Array(memory.size.mappings + 1);
    this.traceMask = options.trace === true ? memory.size.traceEntries - 1 : -1;
  }
}

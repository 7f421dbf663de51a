/**
 * A machine of one thread on which one fault can be looked at by itself: CPU 0 faults; whoever it waits for - a disk, the holder of a page, a user
 * space handler - makes its step when CPU 0 would sleep. So every wait is a wait that ends, and every count is the same in every run.
 * Next: fault_kind.ts
 */
import { assert } from '@faultlab/core/base/assert';
import { type CpuId, type MappingId, type MmId, NO_MAPPING, NO_MM, type Vpn } from '@faultlab/core/base/brand';
import { StallError } from '@faultlab/core/base/errors';
import { cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { serveQueued, setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, CONTENTS_FILES, type DeviceId } from '@faultlab/core/io/device_record';
import { readHeld } from '@faultlab/core/locking/held_locks';
import { LOCK_MMAP, LOCK_VMA } from '@faultlab/core/locking/lock_class';
import { rcu_barrier, rcu_idle_enter, rcu_idle_exit } from '@faultlab/core/locking/rcu';
import { DEFAULT_SIZE, type MachineSize } from '@faultlab/core/memory/limits';
import { PC_WAIT_KIND, WAIT_RESCHED } from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { createFile, type FileSpec } from '@faultlab/core/mm/address_space';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { ArchEntry } from '@faultlab/core/policy/arch_entry';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { __set_current_state_running } from '@faultlab/core/sched/task';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import type { PointObserver } from '@faultlab/core/trace/points';

const SIZE: MachineSize = {
  ...DEFAULT_SIZE,
  cpus: 3,
  mms: 8,
  vmas: 256,
  frames: 2048,
  tables: 128,
  anonVmas: 256,
  avcs: 512,
  mappings: 16,
  xaNodes: 256,
  devices: 3,
  deviceBlocks: 1024,
  swaps: 2,
  swapSlots: 512,
  traceEntries: 0,
};

/** The disk of the files, and the devices of the two swap areas. */
export const FILE_DEVICE: DeviceId = 0 as DeviceId;
export const SWAP_DEVICE: DeviceId = 1 as DeviceId;
export const SYNC_SWAP_DEVICE: DeviceId = 2 as DeviceId;
const QUEUE_DEPTH = 32;
/** First page of the areas: the start of a page table, far above the lowest page that may be mapped. */
export const AREA: Vpn = 0x10000 as Vpn;
export const READ_WRITE: number = PROT_READ | PROT_WRITE;

/** The lock that a fault holds. */
export type FaultLock = 'none' | 'vma' | 'mmap';

function faultLockHeld(cpu: Cpu): FaultLock {
  const classes = readHeld(cpu.memory, cpu.id).map((held) => held.class);
  if (classes.includes(LOCK_MMAP)) return 'mmap';
  return classes.includes(LOCK_VMA) ? 'vma' : 'none';
}

/** Puts something in front of a memory, such as a counter of atomic operations. */
export type MemoryWrapper = (memory: SharedMemory) => SharedMemory;

export interface OneThreadOptions {
  readonly wrap?: MemoryWrapper;
  /** Check more than the constant-time assertions. */
  readonly verify?: boolean;
  /** The bug that the machine is to have: a number of mutants/ids.ts. */
  readonly mutant?: number;
  readonly arch?: ArchEntry;
  /** Steps may be made at named points. A CPU that would sleep with nobody left to wake it ends the story with a StallError. */
  readonly steered?: boolean;
}

/** What another CPU of the thread does at a point: once for each time it is asked for, in that order. */
interface SteppedPoint {
  readonly point: number;
  readonly step: () => void;
}

/** Sleeps in vain before a CPU counts as one that nobody wakes. Some sleeps have an end of their own. */
const SLEEPS_IN_VAIN = 5;

/** The other CPU cannot wait for CPU 0, which is in the middle of something. */
const otherSleeps = (): boolean => {
  throw new StallError('The other CPU sleeps, and CPU 0 cannot wake it.');
};

export class OneThreadMachine {
  /** The CPU that faults. */
  readonly cpu: Cpu;
  /** Another CPU of the same thread: it may not wait for anything that CPU 0 has to do. */
  readonly other: Cpu;
  readonly mm: MmId;
  readonly #steps: (() => void)[] = [];
  readonly #waits: FaultLock[] = [];
  readonly #points = new Map<number, SteppedPoint[]>();
  readonly #steered: boolean;
  #inVain = 0;

  constructor(
    policy: FaultPolicy,
    { wrap = (memory) => memory, verify = false, mutant = 0, arch, steered = false }: OneThreadOptions = {},
  ) {
    this.#steered = steered;
    const bare = createMachineMemory(SIZE, { mutant });
    setupDevice(bare, FILE_DEVICE, { queueDepth: QUEUE_DEPTH, contents: CONTENTS_FILES, server: 'idle' });
    setupDevice(bare, SWAP_DEVICE, { queueDepth: QUEUE_DEPTH, contents: CONTENTS_BLANK, server: 'idle' });
    setupDevice(bare, SYNC_SWAP_DEVICE, { queueDepth: QUEUE_DEPTH, contents: CONTENTS_BLANK });
    const options = { now: () => performance.now(), policy, verify, ...(arch === undefined ? {} : { arch }) };
    const observer = (id: number): PointObserver | null => (steered ? { at: (point) => this.#at(id, point) } : null);
    this.cpu = createCpu({ ...options, id: 0 as CpuId, memory: wrap(bare), idle: () => this.#idle(), points: observer(0) });
    this.other = createCpu({ ...options, id: 1 as CpuId, memory: bare, points: observer(1), idle: steered ? otherSleeps : null });
    // The other CPU stays out of grace periods: on one thread it is never in the middle of anything when CPU 0 waits for them.
    cpuOnline(this.cpu);
    this.mm = mm_alloc(this.cpu);
    switch_mm(this.cpu, this.mm);
  }

  /** Somebody else's step, made when CPU 0 would sleep, before any device serves. */
  whenIdle(step: () => void): void {
    this.#steps.push(step);
  }

  /** Somebody else's step the next time that the CPU passes the point; several are made one after the other. Only when steered. */
  atPoint(cpu: Cpu, point: number, step: () => void): void {
    this.#points.set(cpu.id, [...(this.#points.get(cpu.id) ?? []), { point, step }]);
  }

  #at(cpu: number, point: number): void {
    const waiting = this.#points.get(cpu) ?? [];
    const index = waiting.findIndex((stepped) => stepped.point === point);
    if (index < 0) return;
    const [stepped] = waiting.splice(index, 1);
    stepped?.step();
  }

  /** The fault lock that CPU 0 held in each step of its waits since the last call. */
  takeWaits(): FaultLock[] {
    return this.#waits.splice(0);
  }

  #idle(): boolean {
    this.#waits.push(faultLockHeld(this.cpu));
    const step = this.#steps.shift();
    if (step !== undefined) {
      step();
      return true;
    }
    if (this.#givesItsCoreAway()) return true;
    const served = serveQueued(this.other, FILE_DEVICE) || serveQueued(this.other, SWAP_DEVICE);
    this.#inVain = served ? 0 : this.#inVain + 1;
    if (this.#steered && this.#inVain > SLEEPS_IN_VAIN) throw new StallError('CPU 0 sleeps, and there is nobody who would wake it.');
    return served;
  }

  /** Nobody else needs the core of the only thread: the tick of cond_resched() is over at once, and it was no wait for anybody. */
  #givesItsCoreAway(): boolean {
    const { cpu } = this;
    if (cpu.words[cpu.percpu + PC_WAIT_KIND] !== WAIT_RESCHED) return false;
    __set_current_state_running(cpu);
    return true;
  }

  /** Lets the devices finish what was submitted. */
  drain(): void {
    while (serveQueued(this.other, FILE_DEVICE) || serveQueued(this.other, SWAP_DEVICE));
  }

  /** Broken invariants of the machine as it is, at rest. */
  violations(): string[] {
    this.drain();
    switch_mm(this.other, NO_MM); // The address space has one user.
    // Each in turn, while the other has nothing that it looks at: one thread cannot wait for itself.
    rcu_idle_enter(this.cpu);
    rcu_barrier(this.other);
    rcu_idle_enter(this.other);
    rcu_idle_exit(this.cpu);
    rcu_barrier(this.cpu);
    return sweep(this.cpu).map(({ id, message }) => `${id}: ${message}`);
  }

  file(spec: FileSpec): MappingId {
    const file = createFile(this.cpu, spec);
    assert(file !== NO_MAPPING, 'OneThreadMachine: it is too small for another file');
    return file;
  }

  /** Maps pages at AREA plus an offset. */
  map(
    pages: number,
    how: {
      readonly file?: MappingId;
      readonly shared?: boolean;
      readonly prot?: number;
      readonly flags?: number;
      readonly at?: number;
    } = {},
  ): Vpn {
    const { file = NO_MAPPING, shared = false, prot = READ_WRITE, flags = 0, at = 0 } = how;
    const kind = (shared ? MAP_SHARED : MAP_PRIVATE) | (file === NO_MAPPING ? MAP_ANONYMOUS : 0);
    const start = sys_mmap(this.cpu, AREA + at, pages, prot, kind | MAP_FIXED | flags, file, 0);
    assert(start === AREA + at, 'OneThreadMachine: mmap failed');
    return start as Vpn;
  }
}

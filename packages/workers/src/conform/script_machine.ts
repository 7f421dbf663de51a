/**
 * A fresh machine for one script: one CPU, in this thread, and one that answers userfaultfd events when the first would sleep, with every check on and every event recorded. Its disk serves when the CPU would sleep,
 * and what is left between two operations, as the disk of the recording machine was idle then.
 * Next: observe.ts
 */
import { assert } from '@faultlab/core/base/assert';
import { type CpuId, type MappingId, type MmId, NO_MAPPING, NO_MM, type SwapId } from '@faultlab/core/base/brand';
import { ENOMEM } from '@faultlab/core/base/errno';
import { StallError, UsageError } from '@faultlab/core/base/errors';
import { cpuOffline, cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { type HandedOut, handedOut, leaks } from '@faultlab/core/invariants/handed_out';
import { sweep } from '@faultlab/core/invariants/sweep';
import { isDeviceSilent, serveQueued, setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_FILES, type DeviceId } from '@faultlab/core/io/device_record';
import { closeFile } from '@faultlab/core/io/file';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { DEFAULT_SIZE, type MachineSize } from '@faultlab/core/memory/limits';
import { createFile, type FileSpec } from '@faultlab/core/mm/address_space';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { swapon } from '@faultlab/core/mm/swapfile';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { takeSignals } from '@faultlab/core/sched/task';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { readCounters } from '@faultlab/core/trace/counters';
import type { Counters } from '../deltas.ts';
import { outstandingLines } from '../device/outstanding_lines.ts';
import { injectIntoBackground, planFor } from '../inject/apply.ts';
import { INJECTIONS, type Injection } from '../inject/injections.ts';
import { machineState } from '../machine_state.ts';
import { stateTable } from '../stall_report.ts';
import type { Space } from './record.ts';
import { UserfaultHelper } from './userfault_helper.ts';

/** Page 0 of the arena: the start of a page table, far above the lowest page that may be mapped. */
export const ARENA_BASE = 0x10000;

/** Enough for an arena full of single-page areas, in parent and child; the trace holds all events of one operation. */
const SIZE: MachineSize = {
  ...DEFAULT_SIZE,
  cpus: 2,
  mms: 4,
  vmas: 16_384,
  frames: 16_384,
  tables: 256,
  anonVmas: 16_384,
  avcs: 32_768,
  swaps: 1,
  swapSlots: 65_536,
  devices: 1,
  deviceBlocks: 65_536,
  traceEntries: 32_768,
  userWords: 1024,
};

/** The disk of all files and of the swap area. As on the recording machine it calls itself rotational. */
export const DISK: DeviceId = 0 as DeviceId;
const SWAP = 0 as SwapId;
const QUEUE_DEPTH = 32;
const TRIES_MAX = 1000;

export class ScriptMachine {
  readonly cpu: Cpu;
  readonly userfaults: UserfaultHelper;
  readonly #injected: boolean;
  readonly #before: HandedOut;
  readonly #spaces: MmId[] = [];
  readonly #files = new Map<string, MappingId>();

  /** @param inject what goes wrong from the start to the end; drawn from `seed` */
  constructor(policy: FaultPolicy, inject: readonly Injection[] = [], seed = 1) {
    const memory = createMachineMemory(SIZE);
    this.cpu = createCpu({
      id: 0 as CpuId,
      memory,
      now: () => performance.now(),
      verify: true,
      trace: true,
      policy,
      inject: planFor(inject, { cpu: 0, seed }),
      stopped: () => this.#stopped(),
    });
    this.#injected = inject.length > 0;
    setupDevice(memory, DISK, { queueDepth: QUEUE_DEPTH, contents: CONTENTS_FILES, server: 'idle' });
    swapon(memory, SWAP, { device: DISK, rotational: true });
    this.#before = handedOut(memory);
    this.userfaults = new UserfaultHelper(this.cpu);
    this.cpu.idle = () => this.userfaults.step() || serveQueued(this.cpu, DISK) || this.#owesNothing();
    cpuOnline(this.cpu);
    this.#spaces.push(this.#firstSpace());
    injectIntoBackground(memory, [{ errorRate: 0 }], inject, seed);
  }

  /** Whoever starts a program tries again. */
  #firstSpace(): MmId {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const mm = mm_alloc(this.cpu);
      if (mm !== NO_MM) return mm;
    }
    throw new UsageError('alloc_fail leaves a script no memory for an address space; lower its rate.');
  }

  /** Goes to the parent's or the child's address space. @returns it; NO_MM when fork failed and there is no child */
  enter(space: Space): MmId {
    const mm = this.#spaces[space] ?? NO_MM;
    switch_mm(this.cpu, mm);
    return mm;
  }

  /** Events of both CPUs so far. */
  counters(): Counters {
    return readCounters(this.cpu.memory);
  }

  /** Injections that have hit so far and may change what is seen. Those that only take time may not. */
  hits(): number {
    if (!this.#injected) return 0;
    const counters = this.counters();
    return INJECTIONS.reduce((sum, { counter, takesTime }) => sum + (takesTime ? 0 : counters[counter]), 0);
  }

  /** Between operations a program has handled its signals. */
  handleSignals(): void {
    if (this.#injected) takeSignals(this.cpu);
  }

  /** Whoever would sleep now, with a disk that does not answer any more, would do so for ever. @returns false */
  #owesNothing(): false {
    const { memory } = this.cpu;
    if (!this.#injected || !isDeviceSilent(this.cpu, DISK)) return false;
    const owed = outstandingLines(memory, this.cpu.now());
    if (owed.length > 0) throw this.#stall('The disk has stopped answering, and there is nobody else to wait for.');
    return false;
  }

  #stopped(): never {
    throw this.#stall('CPU 0 was stopped by an injection, and there is nobody else.');
  }

  #stall(why: string): StallError {
    const { memory } = this.cpu;
    const nowMs = this.cpu.now();
    return new StallError([why, ...stateTable(machineState(memory, [0], nowMs)), ...outstandingLines(memory, nowMs)].join('\n'));
  }

  /** Lets the disk finish what was submitted. */
  drain(): void {
    while (serveQueued(this.cpu, DISK));
  }

  /** Makes a file of that name. @returns it, or an errno */
  newFile(name: string, spec: FileSpec): MappingId | typeof ENOMEM {
    const file = createFile(this.cpu, spec);
    if (file === NO_MAPPING) return ENOMEM;
    this.#files.set(name, file);
    return file;
  }

  /** The file that an earlier operation made. */
  file(name: string): MappingId {
    const file = this.#files.get(name);
    assert(file !== undefined, 'ScriptMachine: a file is named that no operation has made');
    return file;
  }

  /** The name of a file; undefined for one that no operation has named. */
  nameOf(file: MappingId): string | undefined {
    for (const [name, known] of this.#files) if (known === file) return name;
    return undefined;
  }

  /** Makes the child. @returns 0 or an errno */
  fork(): number {
    const child = sys_fork(this.cpu);
    if (child < 0) return child;
    this.#spaces.push(child as MmId);
    return 0;
  }

  /** Checks the machine at rest, ends its address spaces and checks again. @returns the broken invariants, in words */
  close(): string[] {
    this.drain();
    rcu_barrier(this.cpu);
    const alive = this.#violations();
    this.userfaults.close(this.cpu);
    switch_mm(this.cpu, NO_MM);
    for (const mm of this.#spaces.splice(0)) mmput(this.cpu, mm);
    for (const file of this.#files.values()) closeFile(this.cpu, file);
    this.#files.clear();
    cpuOffline(this.cpu);
    const lost = leaks(this.#before, handedOut(this.cpu.memory)).map((sentence) => `leak: ${sentence}`);
    return [...alive, ...this.#violations(), ...lost];
  }

  #violations(): string[] {
    return sweep(this.cpu).map(({ id, message }) => `${id}: ${message}`);
  }
}

/**
 * A fresh machine for one script: one CPU, in this thread, and one that answers userfaultfd events when the first would sleep, with every check on and every event recorded. Its disk serves when the CPU would sleep,
 * and what is left between two operations, as the disk of the recording machine was idle then.
 * Next: observe.ts
 */
import { assert } from '@faultlab/core/base/assert';
import { type CpuId, type MappingId, type MmId, NO_MAPPING, NO_MM, type SwapId } from '@faultlab/core/base/brand';
import { ENOMEM } from '@faultlab/core/base/errno';
import { cpuOffline, cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { serveQueued, setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_FILES, type DeviceId } from '@faultlab/core/io/device_record';
import { closeFile } from '@faultlab/core/io/file';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { DEFAULT_SIZE, type MachineSize } from '@faultlab/core/memory/limits';
import { createFile, type FileSpec } from '@faultlab/core/mm/address_space';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { swapon } from '@faultlab/core/mm/swapfile';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
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

export class ScriptMachine {
  readonly cpu: Cpu;
  readonly userfaults: UserfaultHelper;
  readonly #spaces: MmId[] = [];
  readonly #files = new Map<string, MappingId>();

  constructor(policy: FaultPolicy) {
    const memory = createMachineMemory(SIZE);
    this.cpu = createCpu({ id: 0 as CpuId, memory, now: () => performance.now(), verify: true, trace: true, policy });
    setupDevice(memory, DISK, { queueDepth: QUEUE_DEPTH, contents: CONTENTS_FILES, server: 'idle' });
    swapon(memory, SWAP, { device: DISK, rotational: true });
    this.userfaults = new UserfaultHelper(this.cpu);
    this.cpu.idle = () => this.userfaults.step() || serveQueued(this.cpu, DISK);
    cpuOnline(this.cpu);
    this.#spaces.push(mm_alloc(this.cpu));
  }

  /** Goes to the parent's or the child's address space. @returns it; NO_MM when fork failed and there is no child */
  enter(space: Space): MmId {
    const mm = this.#spaces[space] ?? NO_MM;
    switch_mm(this.cpu, mm);
    return mm;
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
    return [...alive, ...this.#violations()];
  }

  #violations(): string[] {
    return sweep(this.cpu).map(({ id, message }) => `${id}: ${message}`);
  }
}

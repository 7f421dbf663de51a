/**
 * What a machine is made of: the options a caller gives, the defaults, and the sentences that refuse a bad value.
 * Next: machine.ts boots one.
 */
import { availableParallelism } from 'node:os';
import { UsageError } from '@faultlab/core/base/errors';
import { CPUS_MAX, DEFAULT_SIZE, type MachineSize } from '@faultlab/core/memory/limits';
import { DEFAULT_SYSCTL, type VmSysctl } from '@faultlab/core/mm/vm_sysctl';
import { mutantById } from '@faultlab/core/mutants/catalogue';
import { NO_MUTANT } from '@faultlab/core/mutants/ids';
import { archByName } from '@faultlab/core/policy/arch_entries';
import type { ArchEntry } from '@faultlab/core/policy/arch_entry';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import type { KthreadName } from '@faultlab/core/sched/kthread';
import { resolveBackground } from './background/background_threads.ts';
import { type DeviceConfig, type DeviceOptions, needsThread, resolveDevice } from './device/device_options.ts';
import type { Injection } from './inject/injections.ts';
import type { SwapOptions } from './swap_options.ts';
import { HEAP_MB_DEFAULT } from './thread_heap.ts';

/** Everything has a default: `bootMachine()` gives four CPUs under `linux-6.18`. */
export interface MachineOptions {
  /** Threads, each of them one CPU. More than the host has cores is fine. */
  readonly cpus?: number;
  /** Which kernel's decisions the faults follow: a name, or a record of your own. */
  readonly policy?: string | FaultPolicy;
  /** Whose page-fault entry the CPUs have: a name, or a record of your own. `x86` when not given. */
  readonly arch?: string | ArchEntry;
  /** Settings that differ from those of a fresh machine; a scenario may change them again for its run. */
  readonly sysctl?: Partial<VmSysctl>;
  /** Maxima of the tables, where the defaults do not fit. */
  readonly size?: Partial<Omit<MachineSize, 'cpus'>>;
  /** Drives everything that is drawn. */
  readonly seed?: number;
  /** Check more than the constant-time assertions; slower. */
  readonly verify?: boolean;
  /** Record the last events of every CPU. On by default. */
  readonly trace?: boolean;
  /** Use plain Atomics instead of the WebAssembly operations; slower, same results. */
  readonly plain?: boolean;
  /** A CPU that makes no progress for so many milliseconds has stalled; 10 s for every 16 CPUs when not given. */
  readonly stallMs?: number;
  /** Heap limit of each CPU's thread in megabytes; 96 when not given. */
  readonly heapMb?: number;
  /** Block devices, numbered from 0. One whose requests take time has a thread, which is a further CPU of the memory. */
  readonly devices?: readonly DeviceOptions[];
  /** Threads that work in the background, each a further CPU of the memory: `writeback` writes dirty pages of files. None when not given. */
  readonly background?: readonly KthreadName[];
  /** Swap areas, numbered from 0; scenarios may have further ones for their runs. */
  readonly swaps?: readonly SwapOptions[];
  /** What the machine's own threads meet while programs run; a run says for itself what its programs meet. */
  readonly inject?: readonly Injection[];
  /** A real bug that the machine is to have, by its id (`faultlab list mutants`); none when not given. */
  readonly mutant?: string;
}

/** The same with every choice made. */
export interface MachineConfig {
  readonly cpus: number;
  readonly policy: FaultPolicy;
  readonly arch: ArchEntry;
  readonly sysctl: VmSysctl;
  readonly size: MachineSize;
  readonly seed: number;
  readonly verify: boolean;
  readonly trace: boolean;
  readonly plain: boolean;
  readonly stallMs: number;
  readonly heapMb: number;
  readonly devices: readonly DeviceConfig[];
  readonly background: readonly KthreadName[];
  readonly swaps: readonly SwapOptions[];
  readonly inject: readonly Injection[];
  /** Its number; 0 for the right model. */
  readonly mutant: number;
}

const STALL_MS_DEFAULT = 10_000;
export const STALL_MS_LEAST = 50;
export const STALL_MS_MOST = 3_600_000;
/** With more CPUs than this, each waits longer for its turn on a core, and nobody may call that a stall. */
const CPUS_OF_STALL_MS = 16;
const FRAMES_PER_CPU = 2048;
const AREAS_PER_CPU = 1024;

const stallMsFor = (cpus: number): number => STALL_MS_DEFAULT * Math.ceil(cpus / CPUS_OF_STALL_MS);

/** CPUs of a stress run when nobody says: enough that some of them are preempted in the middle of everything. */
export const defaultStressCpus = (): number => Math.max(4, 2 * availableParallelism());

/** @throws UsageError naming the option, its value and its bounds */
export function resolveConfig(options: MachineOptions): MachineConfig {
  const cpus = wholeNumber('cpus', options.cpus ?? DEFAULT_SIZE.cpus, 1, CPUS_MAX);
  const policy = typeof options.policy === 'object' ? options.policy : policyByName(options.policy ?? 'linux-6.18');
  const arch = typeof options.arch === 'object' ? options.arch : archByName(options.arch ?? 'x86');
  const devices = (options.devices ?? []).map(resolveDevice);
  const background = resolveBackground(options.background ?? []);
  const allCpus = cpus + devices.filter(needsThread).length + background.length;
  const size = { ...sizeFor(cpus), ...options.size, cpus: allCpus };
  return {
    cpus,
    policy,
    arch,
    sysctl: { ...DEFAULT_SYSCTL, ...options.sysctl },
    size: { ...size, devices: Math.max(devices.length, size.devices) },
    seed: wholeNumber('seed', options.seed ?? 1, 0, 0xffff_ffff),
    verify: options.verify ?? false,
    trace: options.trace ?? true,
    plain: options.plain ?? false,
    stallMs: wholeNumber('stallMs', options.stallMs ?? stallMsFor(cpus), STALL_MS_LEAST, STALL_MS_MOST),
    heapMb: wholeNumber('heapMb', options.heapMb ?? HEAP_MB_DEFAULT, 16, 65_536),
    devices,
    background,
    swaps: options.swaps ?? [],
    inject: options.inject ?? [],
    mutant: options.mutant === undefined ? NO_MUTANT : mutantById(options.mutant).number,
  };
}

/** The default tables, with room for what each further CPU keeps to itself. */
export function sizeFor(cpus: number): MachineSize {
  return {
    ...DEFAULT_SIZE,
    cpus,
    mms: Math.max(DEFAULT_SIZE.mms, cpus * 8),
    vmas: Math.max(DEFAULT_SIZE.vmas, cpus * AREAS_PER_CPU),
    frames: Math.max(DEFAULT_SIZE.frames, cpus * FRAMES_PER_CPU),
    anonVmas: Math.max(DEFAULT_SIZE.anonVmas, cpus * AREAS_PER_CPU),
    avcs: Math.max(DEFAULT_SIZE.avcs, cpus * AREAS_PER_CPU * 2),
  };
}

/** @throws UsageError unless the value is a whole number within the bounds */
export function wholeNumber(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UsageError(`${name} is ${value}, but it must be a whole number from ${least} to ${most}.`);
}

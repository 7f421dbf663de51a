/**
 * A scenario is one story of contention: an address space that one CPU lays out, a program for every CPU, and what has to have happened
 * for the story to have been told.
 * Next: scenarios/by_name.ts lists them, run_scenario.ts runs one.
 */
import type { FileSpec } from '@faultlab/core/mm/address_space';
import type { MemcgLimits } from '@faultlab/core/mm/memcg';
import type { VmSysctl } from '@faultlab/core/mm/vm_sysctl';
import type { KthreadName } from '@faultlab/core/sched/kthread';
import type { CounterName } from '@faultlab/core/trace/counters';
import type { DeviceOptions } from './device/device_options.ts';
import type { Op } from './program/op.ts';
import type { Program } from './program/program.ts';
import type { SwapOptions } from './swap_options.ts';

/** What a scenario is built for. */
export interface ScenarioShape {
  readonly cpus: number;
  readonly seed: number;
  /** Page frames of the machine. */
  readonly frames: number;
}

/** What there is in a run besides anonymous memory. Devices are numbered by their place in the list. */
export interface ScenarioNeeds {
  readonly devices?: readonly DeviceOptions[];
  readonly swaps?: readonly SwapOptions[];
  /** Background threads that it cannot be without. */
  readonly background?: readonly KthreadName[];
  readonly sysctl?: Partial<VmSysctl> | ((shape: ScenarioShape) => Partial<VmSysctl>);
  /** Limits of memory cgroups, numbered from 2: number 1 is that of the run, and has those of `sysctl`. */
  readonly memcgs?: readonly MemcgLimits[] | ((shape: ScenarioShape) => readonly MemcgLimits[]);
  /** The files of the run; programs name them by their place in the list. */
  files?(shape: ScenarioShape): readonly FileSpec[];
  /** Fewer CPUs cannot tell the story. */
  readonly cpusMin?: number;
}

export interface Scenario extends ScenarioNeeds {
  readonly name: string;
  /** One sentence for lists. */
  readonly story: string;
  /** The layout of the address space, executed by one CPU before the others start. */
  setup(shape: ScenarioShape): readonly Op[];
  /** What CPU `cpu` does. */
  program(cpu: number, shape: ScenarioShape): Program;
  /** Events that a run which is long enough cannot be without; a run that lacks one did not test what it claims to. */
  readonly mustSee: readonly CounterName[];
  /** This scenario is wrong on purpose: it must end with a violation of this id. */
  readonly mustFail?: string;
}

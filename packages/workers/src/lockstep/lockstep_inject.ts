/**
 * Injections in lock-step: what goes wrong is an event of the schedule, and drawn from the seed of its programs, so that the same schedule meets
 * the same trouble. Devices draw by the number of the request, from the seed of the layout.
 *
 * Only what changes what happens: an injection that takes time has no meaning where time is counted, and the strategy delays whom it likes; one that
 * ends a run ends every schedule.
 * Next: laid_out.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import type { DeviceNature } from '../inject/apply.ts';
import { injectIntoBackground, mendBackground, planFor, troublesBy } from '../inject/apply.ts';
import { type Injection, injectionKind } from '../inject/injections.ts';
import { parseInject } from '../inject/parse_inject.ts';
import type { Program } from '../program/program.ts';
import type { LockstepRun } from './run_lockstep.ts';

/** Slow requests are events of the schedule, too. */
const MEANT: ReadonlySet<string> = new Set(['slow_io']);

/** @throws UsageError for an injection that lock-step cannot have */
export function lockstepInjections(spec: string | undefined): readonly Injection[] {
  if (spec === undefined || spec === '') return [];
  const injections = parseInject(spec);
  for (const { name } of injections) {
    const { takesTime, final } = injectionKind(name);
    if ((takesTime && !MEANT.has(name)) || final) {
      throw new UsageError(
        `The injection ${name} is for threads that run freely; in lock-step the strategy says who waits, so leave it out.`,
      );
    }
  }
  return injections;
}

/** The program as it is told what it has to be ready for. */
export function readyFor(program: Program, injections: readonly Injection[]): Program {
  if (injections.length === 0) return program;
  const troubles = troublesBy(injections);
  return { ...program, ...troubles, ...(troubles.injectedSignals ? { signals: true } : {}) };
}

/** What each CPU is to meet. */
export function plansOf(
  injections: readonly Injection[],
  role: NonNullable<LockstepRun['role']>,
  seed: number,
): NonNullable<LockstepRun['inject']> {
  return (cpu) => {
    const its = role(cpu);
    return injections.length === 0 ? null : planFor(injections, { cpu, seed, role: its === 'server' ? 'background' : its });
  };
}

/** Devices go wrong from now on: the words lie in the memory that every schedule begins with. */
export function injectIntoDevices(
  memory: SharedMemory,
  devices: readonly DeviceNature[],
  injections: readonly Injection[],
  seed: number,
): void {
  if (injections.length > 0) injectIntoBackground(memory, devices, injections, seed);
}

/** Before the check after a schedule, and after the exploration. */
export function mendDevices(memory: SharedMemory, devices: readonly DeviceNature[], seed: number): void {
  mendBackground(memory, devices, seed);
}

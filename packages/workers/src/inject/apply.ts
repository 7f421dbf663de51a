/**
 * From injections to what core understands: a plan for every CPU, words of the devices, and what is said about it afterwards.
 * Next: core's trace/injector.ts and io/error_injection.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { setErrorRate, setSilentAfter, setSlowness } from '@faultlab/core/io/error_injection';
import { H_INJECT } from '@faultlab/core/memory/header';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { EVERY_POINT, type InjectionPlan } from '@faultlab/core/trace/injector';
import { POINT_NAMES, type PointName } from '@faultlab/core/trace/points';
import type { Counters } from '../deltas.ts';
import type { InjectedTroubles } from '../program/outcome.ts';
import { grouped } from '../report/numbers.ts';
import { ALLOCATED, INJECTIONS, type Injection, type InjectionName, PROGRAM } from './injections.ts';

const US_PER_MS = 1000;

const named = (injections: readonly Injection[], name: InjectionName): Injection | undefined =>
  injections.find((injection) => injection.name === name);
const numberOf = ({ values }: Injection, key: string): number => values[key] as number;
const pointOf = ({ values: { point } }: Injection): number => (point === 'all' ? EVERY_POINT : POINT_NAMES.indexOf(point as PointName));

export const injects = (injections: readonly Injection[], name: InjectionName): boolean => named(injections, name) !== undefined;

/** Which endings the injections make legal. */
export const troublesBy = (injections: readonly Injection[]): InjectedTroubles => ({
  injectedSignals: injects(injections, 'signal'),
  ioErrors: injects(injections, 'io_error'),
  allocFailures: injects(injections, 'alloc_fail'),
});

/**
 * Who is to meet injections: a CPU of a program; a program that serves the others, and is not killed: none of its signals is fatal; a thread
 * of the machine (of a device, ...), which gets no signals at all, as kernel threads block them, and lives longer than the run.
 */
export type Role = 'program' | 'helper' | 'background';

export interface PlanFor {
  readonly cpu: number;
  readonly seed: number;
  readonly role?: Role;
  /** Of a background thread: its name. */
  readonly thread?: string;
}

function allocFailOf(injection: Injection): NonNullable<InjectionPlan['allocFail']> {
  const only = numberOf(injection, 'only');
  const of = ALLOCATED.get(injection.values['of'] as string) as number;
  return { rate: numberOf(injection, 'rate'), of, ...(only === 0 ? {} : { only }) };
}

/** What a CPU is to meet; null when that is nothing. */
export function planFor(
  injections: readonly Injection[],
  { cpu, seed, role = 'program', thread = PROGRAM }: PlanFor,
): InjectionPlan | null {
  const of = (name: InjectionName): Injection | undefined => named(injections, name);
  const [allocFail, signal, spurious, full, pause, kill] = [
    of('alloc_fail'),
    role === 'background' ? undefined : of('signal'),
    of('spurious_wake'),
    of('full_swap'),
    of('pause_cpu'),
    of('kill_cpu'),
  ];
  const delays = injections.filter(({ name }) => name === 'delay');
  const plan: Omit<InjectionPlan, 'seed'> = {
    ...(allocFail === undefined ? {} : { allocFail: allocFailOf(allocFail) }),
    ...(signal === undefined
      ? {}
      : { signal: { rate: numberOf(signal, 'rate'), fatal: role === 'helper' ? 0 : numberOf(signal, 'fatal') } }),
    ...(spurious === undefined ? {} : { spuriousWake: { rate: numberOf(spurious, 'rate') } }),
    ...(full === undefined ? {} : { fullSwap: { rate: numberOf(full, 'rate') } }),
    ...(delays.length === 0
      ? {}
      : {
          delays: delays.map((delay) => ({
            point: pointOf(delay),
            rate: numberOf(delay, 'rate'),
            us: numberOf(delay, 'time') * US_PER_MS,
          })),
        }),
    ...(pause === undefined ? {} : { pause: { rate: numberOf(pause, 'rate'), ms: numberOf(pause, 'time') } }),
    ...(kill === undefined || kill.values['thread'] !== thread || (thread === PROGRAM && numberOf(kill, 'cpu') !== cpu)
      ? {}
      : { kill: { point: pointOf(kill), after: numberOf(kill, 'after') } }),
  };
  return Object.keys(plan).length === 0 ? null : { seed, ...plan, ...(role === 'background' ? { whileArmed: true } : {}) };
}

/** What a device does without injections. */
export interface DeviceNature {
  readonly errorRate: number;
}

/** Lets the devices go wrong from now on, and background threads meet what their plans say. No device may have work. */
export function injectIntoBackground(
  m: SharedMemory,
  devices: readonly DeviceNature[],
  injections: readonly Injection[],
  seed: number,
): void {
  m.words[H_INJECT] = 1; // Plain: the start gate is between this and all programs.
  const [error, slow, silent] = [named(injections, 'io_error'), named(injections, 'slow_io'), named(injections, 'silent_device')];
  devices.forEach(({ errorRate }, id) => {
    const device = id as DeviceId;
    setErrorRate(m, device, Math.max(errorRate, error === undefined ? 0 : numberOf(error, 'rate')), seed + id);
    if (slow !== undefined) setSlowness(m, device, numberOf(slow, 'rate'), numberOf(slow, 'time') * US_PER_MS);
    if (silent !== undefined) setSilentAfter(m, device, numberOf(silent, 'after'));
  });
}

/** Takes all that back. */
export function mendBackground(m: SharedMemory, devices: readonly DeviceNature[], seed: number): void {
  m.words[H_INJECT] = 0;
  devices.forEach(({ errorRate }, id) => {
    const device = id as DeviceId;
    setErrorRate(m, device, errorRate, seed);
    setSlowness(m, device, 0, 0);
    setSilentAfter(m, device, undefined);
  });
}

/** @param threads names of the machine's background threads @throws UsageError when an injection names a CPU or a thread that the run does not have */
export function checkInject(injections: readonly Injection[], cpus: number, threads: readonly string[] = []): void {
  const kill = named(injections, 'kill_cpu');
  if (kill === undefined) return;
  const thread = kill.values['thread'] as string;
  if (thread !== PROGRAM && !threads.includes(thread)) {
    const there = threads.length === 0 ? 'has no such threads' : `has only ${threads.join(' and ')}`;
    throw new UsageError(`kill_cpu is for the thread ${thread}, but this run ${there}; name one that it has, or a CPU.`);
  }
  if (thread !== PROGRAM || numberOf(kill, 'cpu') < cpus) return;
  throw new UsageError(`kill_cpu is for CPU ${numberOf(kill, 'cpu')}, but the CPUs of this run are 0 to ${cpus - 1}; name one of them.`);
}

/** `injected: io_error 12, signal 3`; undefined when nothing was to be injected. Asked for and never met counts 0. */
export function injectedLine(injections: readonly Injection[], counters: Counters): string | undefined {
  if (injections.length === 0) return undefined;
  const counts = INJECTIONS.filter(({ name }) => injects(injections, name)).map(
    ({ name, counter }) => `${name} ${grouped(counters[counter])}`,
  );
  return `injected: ${counts.join(', ')}`;
}

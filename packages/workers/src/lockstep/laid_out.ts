/**
 * A machine that is laid out, for schedules as many and as often as one likes, all from the same beginning.
 *
 *   await using laidOut = await layOut({ scenario: 'munmap_storm', cpus: 3, seed: 7 });
 *   const { first } = await laidOut.explore({ strategy: 'pct', schedules: 1000, mutant: 'B10' });
 *
 * Next: run_lockstep.ts
 */
import type { SwapId } from '@faultlab/core/base/brand';
import { UsageError } from '@faultlab/core/base/errors';
import { setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, CONTENTS_FILES, D_SERVER, type DeviceId, setDeviceField } from '@faultlab/core/io/device_record';
import { H_MUTANT } from '@faultlab/core/memory/header';
import { DEFAULT_SIZE, type MachineSize } from '@faultlab/core/memory/limits';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { mutantById } from '@faultlab/core/mutants/catalogue';
import { NO_MUTANT } from '@faultlab/core/mutants/ids';
import { ARCH_ENTRIES } from '@faultlab/core/policy/arch_entries';
import { POLICIES } from '@faultlab/core/policy/policies';
import { KTHREAD_NAMES, KTHREAD_REST, type KthreadName, registerKthread } from '@faultlab/core/sched/kthread';
import { type DeviceConfig, needsThread, resolveDevice } from '../device/device_options.ts';
import { type Injection, injectText } from '../inject/injections.ts';
import { bootMachine, type Machine } from '../machine.ts';
import { firstOps, opCount } from '../program/kept_ops.ts';
import type { Op } from '../program/op.ts';
import type { Program } from '../program/program.ts';
import type { SetUp, SetupOrder } from '../program/setup_work.ts';
import type { RunResult } from '../run_result.ts';
import type { Scenario } from '../scenario.ts';
import { isNamed, scenarioByName } from '../scenarios/by_name.ts';
import { switchOn } from '../swap_options.ts';
import type { Actor } from './actor_work.ts';
import { againText } from './again_text.ts';
import type { CheckOrder } from './check_work.ts';
import { choicesText } from './choices.ts';
import { evidenceResult } from './evidence.ts';
import type { ExploredPrograms, ExploreOptions, ExploreResult } from './explore_options.ts';
import { injectIntoDevices, lockstepInjections, mendDevices, plansOf, readyFor } from './lockstep_inject.ts';
import type { Role } from './lockstep_order.ts';
import { cutProgram, cutsText, type ProgramCuts } from './program_cuts.ts';
import { racyWord, withBothStacks } from './races/race_stacks.ts';
import { type Failure, type LockstepResult, type LockstepRun, runLockstep } from './run_lockstep.ts';
import { type StrategyPlan, strategyPlan } from './strategy_plan.ts';

const SETUP = new URL('../program/setup_work.js', import.meta.url);
const ACTORS = new URL('./actor_work.js', import.meta.url);
const CHECK = new URL('./check_work.js', import.meta.url);

/** Small tables: they are put back before each schedule. */
const SMALL: Omit<MachineSize, 'cpus'> = {
  ...DEFAULT_SIZE,
  mms: 16,
  vmas: 512,
  frames: 2048,
  tables: 64,
  anonVmas: 512,
  avcs: 1024,
  mappings: 8,
  xaNodes: 64,
  swaps: 2,
  swapSlots: 4096,
  userfaultfds: 4,
  deviceRequests: 64,
  deviceBlocks: 512,
  traceEntries: 64,
  userWords: 1024,
};
/** For layouts that do not fit. */
const LARGE: Omit<MachineSize, 'cpus'> = { ...SMALL, vmas: 4096, frames: 8192, tables: 512, anonVmas: 4096, avcs: 16_384, xaNodes: 512 };
const CPUS_DEFAULT = 3;
const COUNT_DEFAULT = 6;
const SCHEDULES_DEFAULT = 1000;

/** What one exploration of a machine that is laid out may have of its own. */
export type ExploreTurn = Pick<
  ExploreOptions,
  | 'strategy'
  | 'depth'
  | 'bound'
  | 'choices'
  | 'anchors'
  | 'schedules'
  | 'seed'
  | 'programSeed'
  | 'mutant'
  | 'all'
  | 'tickUs'
  | 'stillMax'
  | 'seconds'
  | 'signal'
  | 'races'
  | 'cuts'
  | 'lanes'
  | 'deep'
>;

/**
 * Boots a machine and lays it out, for any number of explorations: each begins where the layout has ended, whatever the one before it did.
 * @throws UsageError for a bad option, or a layout that does not fit
 */
export async function layOut(options: ExploreOptions): Promise<LaidOut> {
  try {
    return await layOutOn({ ...SMALL, ...options.size }, options);
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    return await layOutOn({ ...LARGE, ...options.size }, options);
  }
}

async function layOutOn(size: Omit<MachineSize, 'cpus'>, options: ExploreOptions): Promise<LaidOut> {
  if (options.mutant !== undefined) mutantById(options.mutant);
  const explored = exploredOf(options, size.frames);
  const { cpus, seed, programs } = explored;
  const devices = (programs.devices ?? []).map(resolveDevice);
  const background = programs.background ?? [];
  const machine = await bootMachine({
    cpus: cpus + servedOf(devices).length + background.length,
    seed,
    verify: options.verify ?? true,
    ...(options.policy === undefined ? {} : { policy: options.policy }),
    ...(options.arch === undefined ? {} : { arch: options.arch }),
    ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }),
    size: { ...size, devices: Math.max(1, devices.length) },
  });
  try {
    return new LaidOut(machine, explored, await makeLayout(machine, explored, options.cuts));
  } catch (error) {
    await machine.close();
    throw error;
  }
}

/** A machine as it is after its layout. Close it, or use it with `await using`. */
export class LaidOut implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #explored: Explored;
  readonly #made: SetUp;
  readonly #devices: readonly DeviceConfig[];

  /** Use layOut(). */
  constructor(machine: Machine, explored: Explored, made: SetUp) {
    this.#machine = machine;
    this.#explored = explored;
    this.#made = made;
    this.#devices = (explored.programs.devices ?? []).map(resolveDevice);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.close();
  }

  /** False after a hang: the machine is lost. */
  get usable(): boolean {
    return this.#machine.usable;
  }

  /** The operations of every CPU that has a program and is no helper, before anything was left out. */
  operations(programSeed: number): Map<number, readonly Op[]> {
    const programs = this.#programs();
    const drawing = programs.filter(({ helper }) => helper !== true).length;
    const lists = programs.map((program, cpu) => [cpu, firstOps(program, opCount(program), programSeed, cpu, drawing)] as const);
    return new Map(lists.filter(([cpu]) => programs[cpu]?.helper !== true));
  }

  /** The operations that lay the address space out, before anything was left out. */
  get layout(): readonly Op[] {
    return this.#explored.programs.setup;
  }

  /** Explores from the layout on. A mutant is planted for this exploration alone; the layout was the right model's. */
  async explore(turn: ExploreTurn): Promise<ExploreResult> {
    const machine = this.#machine;
    const { programs, seed: layoutSeed } = this.#explored;
    const seed = turn.seed ?? layoutSeed;
    const plan = planOf(turn);
    // A search that goes through schedules one by one is one of the same programs.
    const programSeed = turn.programSeed ?? (plan.kind === 'dfs' || plan.kind === 'exhaustive' ? seed : undefined);
    const order: CheckOrder = {
      ...this.#made,
      swaps: (programs.swaps ?? []).map((_, area) => area),
      natures: this.#devices,
      seed: layoutSeed,
    };
    machine.memory.words[H_MUTANT] = turn.mutant === undefined ? NO_MUTANT : mutantById(turn.mutant).number;
    const run: LockstepRun = {
      ...this.#parts(turn.cuts),
      check: { module: CHECK, data: order },
      plan,
      seed,
      deep: turn.deep ?? false,
      schedules: turn.schedules ?? SCHEDULES_DEFAULT,
      stopAtFirst: turn.all !== true,
      ...(programSeed === undefined ? {} : { programSeed }),
      ...(turn.races === undefined ? {} : { races: turn.races }),
      ...(turn.lanes === undefined ? {} : { lanes: turn.lanes }),
      ...(turn.tickUs === undefined ? {} : { tickUs: turn.tickUs }),
      ...(turn.stillMax === undefined ? {} : { stillMax: turn.stillMax }),
      ...(turn.seconds === undefined ? {} : { seconds: turn.seconds }),
      ...(turn.signal === undefined ? {} : { signal: turn.signal }),
    };
    injectIntoDevices(machine.memory, this.#devices, this.#explored.inject, layoutSeed);
    const result = await this.#withStacks(await runLockstep(machine, run), run);
    mendDevices(machine.memory, this.#devices, layoutSeed);
    return { ...resultOf(result, seed, (failure) => this.#againOf(failure, turn)), evidence: this.#evidenceOf(result) };
  }

  #evidenceOf({ evidence, failures }: LockstepResult): RunResult | undefined {
    const [first] = failures;
    if (evidence === undefined || first === undefined) return undefined;
    const { cpus, seed, programs } = this.#explored;
    const served = servedOf(this.#devices).map((device) => `device ${device}`);
    const cpuTitles = [...Array.from({ length: cpus }, () => ''), ...served, ...(programs.background ?? [])].map((does, cpu) =>
      does === '' ? `CPU ${cpu}` : `CPU ${cpu} (${does})`,
    );
    return evidenceResult(evidence, first.findings, { policy: this.#machine.config.policy.name, cpus, seed, cpuTitles });
  }

  /** The first failure, if it is a race, is played once more, so that both accesses say where they are. */
  async #withStacks(result: LockstepResult, run: LockstepRun): Promise<LockstepResult> {
    const [first, ...others] = result.failures;
    const word = first === undefined ? undefined : racyWord(first);
    if (first === undefined || word === undefined || !this.#machine.usable) return result;
    const plan: StrategyPlan = { kind: 'replay', choices: first.choices };
    const again = await runLockstep(this.#machine, {
      ...run,
      plan,
      schedules: 1,
      programSeed: first.programSeed,
      watch: word,
      lanes: false,
    });
    return { ...result, failures: [withBothStacks(first, word, again), ...others] };
  }

  #programs(): Program[] {
    return Array.from({ length: this.#explored.cpus }, (_, cpu) => readyFor(this.#explored.programs.program(cpu), this.#explored.inject));
  }

  /** Who is who, and does what. */
  #parts(cuts: ProgramCuts | undefined): Pick<LockstepRun, 'work' | 'data' | 'role' | 'inject'> {
    const { cpus } = this.#explored;
    const background = this.#explored.programs.background ?? [];
    const served = servedOf(this.#devices);
    const programs = this.#programs();
    const helpers = programs.filter((program) => program.helper === true).length;
    const data = (cpu: number): Actor => {
      const whole = programs[cpu];
      if (whole !== undefined) {
        const program = cutProgram(whole, cpu, cuts);
        if (program === undefined) return { kind: 'absent' };
        return { kind: 'program', order: { program, home: this.#made.space, files: this.#made.files, cpus, helpers } };
      }
      const device = served[cpu - cpus];
      if (device !== undefined) return { kind: 'device', device, latency: (this.#devices[device] as DeviceConfig).latency };
      return { kind: 'kthread', name: background[cpu - cpus - served.length] as KthreadName };
    };
    const role = (cpu: number): Role => (cpu >= cpus ? 'server' : programs[cpu]?.helper === true ? 'helper' : 'program');
    return { work: ACTORS, data, role, inject: plansOf(this.#explored.inject, role, this.#explored.seed) };
  }

  /** Only what has a name can be said in a word. */
  #againOf(failure: Failure, { mutant = '', races = false, deep = false, cuts }: ExploreTurn): string | undefined {
    const { name, cpus, count, seed, inject } = this.#explored;
    const { policy, arch, verify } = this.#machine.config;
    if (name === undefined || !this.#explored.isNamed || !POLICIES.includes(policy) || !ARCH_ENTRIES.includes(arch)) return undefined;
    return againText({
      scenario: name,
      cpus,
      policy: policy.name,
      arch: arch.name,
      count,
      seed,
      programSeed: failure.programSeed >>> 0,
      mutant,
      races,
      verify,
      deep,
      cuts: cutsText(cuts),
      inject: injectText(inject),
      hash: failure.hash,
      choices: choicesText(failure.choices),
    });
  }
}

function planOf(turn: ExploreTurn): StrategyPlan {
  const { choices, anchors } = turn;
  if (anchors !== undefined) return { kind: 'anchored', anchors };
  return choices === undefined ? strategyPlan(turn.strategy ?? 'pct', turn) : { kind: 'replay', choices };
}

/** Numbers of the devices that have a thread. */
const servedOf = (devices: readonly DeviceConfig[]): number[] => devices.flatMap((device, number) => (needsThread(device) ? [number] : []));

/** Devices, swap areas, files and the address space; freely: it is the same beginning for all schedules. */
async function makeLayout(machine: Machine, { cpus, programs }: Explored, cuts: ProgramCuts | undefined): Promise<SetUp> {
  const { memory } = machine;
  const { swaps = [], sysctl, files = [], setup, background = [] } = programs;
  const devices = (programs.devices ?? []).map(resolveDevice);
  setSysctl(memory, { ...machine.config.sysctl, ...sysctl });
  devices.forEach(({ queueDepth, contents }, device) => {
    setupDevice(memory, device as DeviceId, { queueDepth, contents: contents === 'files' ? CONTENTS_FILES : CONTENTS_BLANK });
  });
  swaps.forEach((swap, area) => {
    switchOn(memory, area as SwapId, swap);
  });
  const ops = cuts?.layout === undefined ? setup : cuts.layout.flatMap((index) => setup[index] ?? []);
  const made = await setUp(machine, { ops, files });
  const served = servedOf(devices);
  served.forEach((device, position) => {
    setDeviceField(memory, device as DeviceId, D_SERVER, cpus + position + 1);
  });
  background.forEach((name, position) => {
    registerKthread(memory, KTHREAD_NAMES.indexOf(name), cpus + served.length + position);
  });
  memory.words[KTHREAD_REST] = 0;
  return made;
}

/** The layout needs a larger machine. */
class LayoutError extends UsageError {}

interface Explored {
  readonly name: string | undefined;
  readonly cpus: number;
  readonly count: number;
  readonly seed: number;
  readonly programs: ExploredPrograms;
  readonly inject: readonly Injection[];
  /** It can be found by its name. */
  readonly isNamed: boolean;
}

function exploredOf(options: ExploreOptions, frames: number): Explored {
  const inject = lockstepInjections(options.inject);
  const { scenario, programs, cpus = CPUS_DEFAULT, count = COUNT_DEFAULT, seed = 1 } = options;
  if ((scenario === undefined) === (programs === undefined)) {
    throw new UsageError('An exploration needs a scenario or programs, and not both; give one of them.');
  }
  if (programs !== undefined) return { isNamed: false, name: undefined, cpus, count, seed, programs, inject };
  const chosen = typeof scenario === 'string' ? scenarioByName(scenario) : (scenario as Scenario);
  const { cpusMin = 1 } = chosen;
  if (cpus < cpusMin) throw new UsageError(`Scenario ${chosen.name} needs ${cpusMin} CPUs, but there are ${cpus}; raise cpus.`);
  const shape = { cpus, seed, frames };
  const { sysctl, devices, swaps, background } = chosen;
  return {
    isNamed: isNamed(chosen),
    name: chosen.name,
    cpus,
    count,
    seed,
    inject,
    programs: {
      setup: chosen.setup(shape),
      program: (cpu) => ({ ...chosen.program(cpu, shape), count }),
      files: chosen.files?.(shape) ?? [],
      ...(devices === undefined ? {} : { devices }),
      ...(swaps === undefined ? {} : { swaps }),
      ...(background === undefined ? {} : { background }),
      ...(sysctl === undefined ? {} : { sysctl: typeof sysctl === 'function' ? sysctl(shape) : sysctl }),
    },
  };
}

/** Lays the address space out, freely: it is the same beginning for all schedules. */
async function setUp(machine: Machine, order: SetupOrder): Promise<SetUp> {
  const { reports } = await machine.run<SetupOrder, SetUp>({ work: SETUP, data: () => order, cpus: [0] }).catch((error: unknown) => {
    throw error instanceof UsageError ? new LayoutError(error.message) : error;
  });
  const [report] = reports;
  if (report?.end === 'finished') return report.result;
  throw new Error(`The layout of the exploration ended with ${report?.end === 'violation' ? report.violation.message : report?.end}.`);
}

function resultOf(result: LockstepResult, seed: number, again: (failure: Failure) => string | undefined): Omit<ExploreResult, 'evidence'> {
  const { failures, schedules, failing, exhausted, covered, steps, hash, wallMs, diverged, lanes, hung, times } = result;
  const told = failures.map((failure) => ({
    invariant: failure.findings[0]?.id ?? 'unknown',
    message: failure.findings[0]?.message ?? '',
    schedule: failure.schedule,
    seed,
    programSeed: failure.programSeed >>> 0,
    steps: failure.steps,
    hash: failure.hash,
    choices: failure.choices,
    findings: failure.findings,
    anchors: failure.anchors,
    ops: failure.ops,
    again: again(failure),
  }));
  return { schedules, failing, first: told[0], failures: told, exhausted, covered, steps, hash, wallMs, diverged, lanes, hung, times };
}

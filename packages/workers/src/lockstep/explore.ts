/**
 * Explores a scenario, or programs, in lock-step: many schedules, each from the same beginning, until one fails or there are enough.
 *
 *   const { failing, first } = await explore({ scenario: 'munmap_storm', cpus: 3, strategy: 'pct', schedules: 1000, seed: 7 });
 *   if (first !== undefined) await again(first.again);
 *
 * Devices and background threads are CPUs like the others here: what they do is part of the schedule.
 * Next: run_lockstep.ts
 */
import type { SwapId } from '@faultlab/core/base/brand';
import { UsageError } from '@faultlab/core/base/errors';
import { setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, CONTENTS_FILES, D_SERVER, type DeviceId, setDeviceField } from '@faultlab/core/io/device_record';
import type { LatencyModel } from '@faultlab/core/io/latency_model';
import { H_MUTANT } from '@faultlab/core/memory/header';
import { DEFAULT_SIZE, type MachineSize } from '@faultlab/core/memory/limits';
import type { FileSpec } from '@faultlab/core/mm/address_space';
import { setSysctl, type VmSysctl } from '@faultlab/core/mm/vm_sysctl';
import { mutantById } from '@faultlab/core/mutants/catalogue';
import { NO_MUTANT } from '@faultlab/core/mutants/ids';
import type { ArchEntry } from '@faultlab/core/policy/arch_entry';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES } from '@faultlab/core/policy/policies';
import { KTHREAD_NAMES, KTHREAD_REST, type KthreadName, registerKthread } from '@faultlab/core/sched/kthread';
import { type DeviceOptions, needsThread, resolveDevice } from '../device/device_options.ts';
import { bootMachine, type Machine } from '../machine.ts';
import type { MachineConfig } from '../machine_config.ts';
import type { DissolveOrder } from '../program/dissolve_work.ts';
import type { Op } from '../program/op.ts';
import type { Program } from '../program/program.ts';
import type { SetUp, SetupOrder } from '../program/setup_work.ts';
import type { Scenario } from '../scenario.ts';
import { scenarioByName } from '../scenarios/by_name.ts';
import { type SwapOptions, switchOn } from '../swap_options.ts';
import type { Actor } from './actor_work.ts';
import { againText } from './again_text.ts';
import { type Choices, choicesText } from './choices.ts';
import type { Finding, Role } from './lockstep_order.ts';
import { type Failure, type LockstepResult, runLockstep } from './run_lockstep.ts';
import { type StrategyPlan, strategyPlan } from './strategy_plan.ts';

const SETUP = new URL('../program/setup_work.js', import.meta.url);
const ACTORS = new URL('./actor_work.js', import.meta.url);
const CHECK = new URL('./check_work.js', import.meta.url);

/** Programs of one's own, in place of a scenario. */
export interface ExploredPrograms {
  readonly setup: readonly Op[];
  /** What CPU `cpu` does; each with a `count`, helpers aside. */
  readonly program: (cpu: number) => Program;
  readonly files?: readonly FileSpec[];
  readonly devices?: readonly DeviceOptions[];
  readonly swaps?: readonly SwapOptions[];
  readonly background?: readonly KthreadName[];
  readonly sysctl?: Partial<VmSysctl>;
}

export interface ExploreOptions {
  /** Its name, or one of your own. */
  readonly scenario?: string | Scenario;
  readonly programs?: ExploredPrograms;
  /** Program CPUs; 3 when not given. Devices come on top. */
  readonly cpus?: number;
  /** Operations of each CPU; 6 when not given. Only for scenarios. */
  readonly count?: number;
  readonly policy?: string | FaultPolicy;
  readonly arch?: string | ArchEntry;
  /** `pct`, `random`, `pos`, `dfs`, `exhaustive` or `rr`. `pct` when not given. */
  readonly strategy?: string;
  /** Of pct: 3 when not given. */
  readonly depth?: number;
  /** Of dfs: most preemptions of a schedule; 2 when not given. */
  readonly bound?: number;
  /** Instead of a strategy. */
  readonly choices?: Choices;
  /** At most so many; 1000 when not given. */
  readonly schedules?: number;
  readonly seed?: number;
  /** All schedules have the programs of this seed; when not given, each has others. */
  readonly programSeed?: number;
  readonly verify?: boolean;
  /** A real bug that the machine is to have, by its id (`faultlab list mutants`). */
  readonly mutant?: string;
  /** Go on after a failure and count them. */
  readonly all?: boolean;
  readonly size?: Partial<Omit<MachineSize, 'cpus'>>;
  readonly tickUs?: number;
  /** Operations without progress that are called a livelock. */
  readonly stillMax?: number;
  readonly stallMs?: number;
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** Look for accesses that nothing orders, although nothing went wrong (races/race_detector.ts). */
  readonly races?: boolean;
}

/** A schedule that failed, and how to have it again. */
export interface ExploreFailure {
  /** Id of the invariant, or `deadlock`, `livelock`, `hang`, or `threw`. */
  readonly invariant: string;
  readonly message: string;
  readonly schedule: number;
  readonly seed: number;
  readonly programSeed: number;
  readonly steps: number;
  /** Of all operations in their order. */
  readonly hash: number;
  readonly choices: Choices;
  readonly findings: readonly Finding[];
  /** For `faultlab again`; undefined for programs that have no name. */
  readonly again: string | undefined;
}

export interface ExploreResult {
  readonly schedules: number;
  readonly failing: number;
  readonly first: ExploreFailure | undefined;
  readonly failures: readonly ExploreFailure[];
  /** Every schedule that there is was seen. */
  readonly exhausted: boolean;
  readonly covered: string;
  /** Operations of all schedules, and a hash of all of them. */
  readonly steps: number;
  readonly hash: number;
  readonly wallMs: number;
  /** Choices of a replay that did not fit. */
  readonly diverged: number;
}

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

/** @throws UsageError for a bad option, or a layout that does not fit */
export async function explore(options: ExploreOptions): Promise<ExploreResult> {
  await using laidOut = await layOut(options);
  return await laidOut.explore(options);
}

/** What one exploration of a machine that is laid out may have of its own. */
export type ExploreTurn = Pick<
  ExploreOptions,
  | 'strategy'
  | 'depth'
  | 'bound'
  | 'choices'
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

/** The layout needs a larger machine. */
class LayoutError extends UsageError {}

async function layOutOn(size: Omit<MachineSize, 'cpus'>, options: ExploreOptions): Promise<LaidOut> {
  if (options.mutant !== undefined) mutantById(options.mutant);
  const explored = exploredOf(options, size.frames);
  const { cpus, seed } = explored;
  const devices = (explored.programs.devices ?? []).map(resolveDevice);
  const background = explored.programs.background ?? [];
  const served = devices.map((device, number) => ({ device, number })).filter(({ device }) => needsThread(device));
  const machine = await bootMachine({
    cpus: cpus + served.length + background.length,
    seed,
    verify: options.verify ?? true,
    ...(options.policy === undefined ? {} : { policy: options.policy }),
    ...(options.arch === undefined ? {} : { arch: options.arch }),
    ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }),
    size: { ...size, devices: Math.max(1, devices.length) },
  });
  try {
    const { memory } = machine;
    const { swaps = [], sysctl, files = [], setup } = explored.programs;
    setSysctl(memory, { ...machine.config.sysctl, ...sysctl });
    devices.forEach(({ queueDepth, contents }, device) => {
      setupDevice(memory, device as DeviceId, { queueDepth, contents: contents === 'files' ? CONTENTS_FILES : CONTENTS_BLANK });
    });
    swaps.forEach((swap, area) => {
      switchOn(memory, area as SwapId, swap);
    });
    const made = await setUp(machine, { ops: setup, files });
    served.forEach(({ number }, position) => {
      setDeviceField(memory, number as DeviceId, D_SERVER, cpus + position + 1);
    });
    background.forEach((name, position) => {
      registerKthread(memory, KTHREAD_NAMES.indexOf(name), cpus + served.length + position);
    });
    memory.words[KTHREAD_REST] = 0;
    return new LaidOut(machine, explored, made, served);
  } catch (error) {
    await machine.close();
    throw error;
  }
}

/** A device that is a CPU of the exploration, and its number. */
interface Served {
  readonly number: number;
  readonly device: { readonly latency: LatencyModel };
}

/** A machine as it is after its layout. Close it, or use it with `await using`. */
export class LaidOut implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #explored: Explored;
  readonly #made: SetUp;
  readonly #actors: readonly Actor[];
  readonly #roles: readonly Role[];

  /** Use layOut(). */
  constructor(machine: Machine, explored: Explored, made: SetUp, served: readonly Served[]) {
    const { cpus, programs } = explored;
    this.#machine = machine;
    this.#explored = explored;
    this.#made = made;
    const own = Array.from({ length: cpus }, (_, cpu) => programs.program(cpu));
    const helpers = own.filter((program) => program.helper === true).length;
    this.#actors = [
      ...own.map((program): Actor => ({ kind: 'program', order: { program, home: made.space, files: made.files, cpus, helpers } })),
      ...served.map(({ number, device }): Actor => ({ kind: 'device', device: number, latency: device.latency })),
      ...(programs.background ?? []).map((name): Actor => ({ kind: 'kthread', name })),
    ];
    this.#roles = this.#actors.map((_, cpu) => (cpu >= cpus ? 'server' : own[cpu]?.helper === true ? 'helper' : 'program'));
  }

  /** False after a hang: the machine is lost. */
  get usable(): boolean {
    return this.#machine.usable;
  }

  /** Explores from the layout on. A mutant is planted for this exploration alone; the layout was the right model's. */
  async explore(turn: ExploreTurn): Promise<ExploreResult> {
    const machine = this.#machine;
    const { programs, seed: layoutSeed } = this.#explored;
    const seed = turn.seed ?? layoutSeed;
    const plan: StrategyPlan =
      turn.choices === undefined ? strategyPlan(turn.strategy ?? 'pct', turn) : { kind: 'replay', choices: turn.choices };
    // A search that goes through schedules one by one is one of the same programs.
    const programSeed = turn.programSeed ?? (plan.kind === 'dfs' || plan.kind === 'exhaustive' ? seed : undefined);
    const order: DissolveOrder = { ...this.#made, swaps: (programs.swaps ?? []).map((_, area) => area) };
    machine.memory.words[H_MUTANT] = turn.mutant === undefined ? NO_MUTANT : mutantById(turn.mutant).number;
    const result = await runLockstep(machine, {
      work: ACTORS,
      data: (cpu) => this.#actors[cpu],
      check: { module: CHECK, data: order },
      role: (cpu) => this.#roles[cpu] as Role,
      plan,
      seed,
      schedules: turn.schedules ?? SCHEDULES_DEFAULT,
      stopAtFirst: turn.all !== true,
      ...(programSeed === undefined ? {} : { programSeed }),
      ...(turn.races === undefined ? {} : { races: turn.races }),
      ...(turn.tickUs === undefined ? {} : { tickUs: turn.tickUs }),
      ...(turn.stillMax === undefined ? {} : { stillMax: turn.stillMax }),
      ...(turn.seconds === undefined ? {} : { seconds: turn.seconds }),
      ...(turn.signal === undefined ? {} : { signal: turn.signal }),
    });
    return resultOf(result, seed, (failure) => againOf(turn.mutant, this.#explored, machine.config, failure));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.close();
  }
}

interface Explored {
  readonly name: string | undefined;
  readonly cpus: number;
  readonly count: number;
  readonly seed: number;
  readonly programs: ExploredPrograms;
}

function exploredOf(options: ExploreOptions, frames: number): Explored {
  const { scenario, programs, cpus = CPUS_DEFAULT, count = COUNT_DEFAULT, seed = 1 } = options;
  if ((scenario === undefined) === (programs === undefined)) {
    throw new UsageError('An exploration needs a scenario or programs, and not both; give one of them.');
  }
  if (programs !== undefined) return { name: undefined, cpus, count, seed, programs };
  const chosen = typeof scenario === 'string' ? scenarioByName(scenario) : (scenario as Scenario);
  const { cpusMin = 1 } = chosen;
  if (cpus < cpusMin) throw new UsageError(`Scenario ${chosen.name} needs ${cpusMin} CPUs, but there are ${cpus}; raise cpus.`);
  const shape = { cpus, seed, frames };
  const { sysctl, devices, swaps, background } = chosen;
  return {
    name: chosen.name,
    cpus,
    count,
    seed,
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

/** Only what has a name can be said in a word. */
function againOf(mutant: string | undefined, explored: Explored, config: MachineConfig, failure: Failure): string | undefined {
  const { name, cpus, count, seed } = explored;
  if (name === undefined || !POLICIES.includes(config.policy)) return undefined;
  return againText({
    scenario: name,
    cpus,
    policy: config.policy.name,
    count,
    seed,
    programSeed: failure.programSeed >>> 0,
    mutant: mutant ?? '',
    hash: failure.hash,
    choices: choicesText(failure.choices),
  });
}

function resultOf(result: LockstepResult, seed: number, again: (failure: Failure) => string | undefined): ExploreResult {
  const { failures, schedules, failing, exhausted, covered, steps, hash, wallMs, diverged } = result;
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
    again: again(failure),
  }));
  return { schedules, failing, first: told[0], failures: told, exhausted, covered, steps, hash, wallMs, diverged };
}

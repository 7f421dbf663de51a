/**
 * What a claim needs to measure: machines, rounds in which all variants take their turn, and a watch over what other programs took of the host.
 * Next: per_cpu_times.ts
 */
import { StallError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { type Sample, sampleOfRun } from '../compare/sample.ts';
import type { DeviceOptions } from '../device/device_options.ts';
import { othersWatch } from '../environment.ts';
import { LatencyTotals } from '../latency_totals.ts';
import { bootMachine, type Machine } from '../machine.ts';
import { type MachineOptions, sizeFor } from '../machine_config.ts';
import { type ProgramsRun, runPrograms } from '../run_programs.ts';
import type { RunResult } from '../run_result.ts';
import type { Scenario } from '../scenario.ts';
import { type CpuTimes, timesOf } from './per_cpu_times.ts';

/** One run on a fresh machine. */
export interface ClaimRun extends Omit<ProgramsRun, 'signal' | 'seed'> {
  readonly policy: FaultPolicy;
  readonly cpus: number;
  readonly machine?: MachineOptions;
}

export interface Ran {
  readonly result: RunResult;
  readonly seconds: number;
  /** What comparisons of policies compute their metrics from; of the machine, so of its only run. */
  readonly sample: Sample;
  /** Of each CPU. */
  readonly times: readonly CpuTimes[];
}

/** The host had no time for a measurement. */
export class TooBusyError extends Error {}

/** The claim was interrupted by the user. */
export class InterruptedError extends Error {}

/** With fewer rounds than this nothing is said. */
const ROUNDS_LEAST = 3;
/** Rounds that are tried for each one that is wanted. */
const TRIES = 2;

export interface ClaimRunsOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** Take rounds as they come, whatever other programs do: to see that everything runs. */
  readonly evenBusy?: boolean;
  /** Cores that other programs use; the host's when not given. */
  readonly watch?: () => () => number;
}

export class ClaimRuns {
  readonly rounds: number;
  readonly #options: ClaimRunsOptions;
  #othersMost = 0;

  constructor(options: ClaimRunsOptions) {
    this.#options = options;
    this.rounds = options.rounds;
  }

  /** The most that other programs took in a round that counts, in cores. */
  get othersCores(): number {
    return this.#othersMost;
  }

  /**
   * Rounds of all variants, one after the other. A round in which other programs had more than `othersAllowed` cores does not count, and another one is
   * made, up to twice as many as wanted.
   * @returns of each variant what its rounds gave, in the order of the variants
   * @throws TooBusyError when too few rounds count
   */
  async interleaved<Variant, Sample>(
    variants: readonly Variant[],
    othersAllowed: number,
    run: (variant: Variant, round: number) => Sample | Promise<Sample>,
  ): Promise<Sample[][]> {
    const { evenBusy = false, watch = othersWatch } = this.#options;
    const samples = variants.map((): Sample[] => []);
    const least = Math.min(ROUNDS_LEAST, this.rounds);
    const seen: number[] = [];
    for (let round = 0; round < this.rounds * TRIES && (samples[0]?.length ?? 0) < this.rounds; round++) {
      const others = watch();
      const taken: Sample[] = [];
      for (const variant of variants) {
        this.checkInterrupt();
        taken.push(await run(variant, round));
      }
      const cores = others();
      seen.push(cores);
      if (cores > othersAllowed && !evenBusy) continue;
      this.#othersMost = Math.max(this.#othersMost, cores);
      taken.forEach((sample, place) => void samples[place]?.push(sample));
    }
    if ((samples[0]?.length ?? 0) >= least) return samples;
    const between = `${Math.min(...seen).toFixed(2)} to ${Math.max(...seen).toFixed(2)}`;
    throw new TooBusyError(
      `Other programs used ${between} cores while this was measured, and at most ${othersAllowed} may be used in at least ${least} of ${seen.length} rounds.`,
    );
  }

  /** @throws StallError or Error when the run went wrong */
  async run(run: ClaimRun): Promise<Ran> {
    const { policy, cpus, machine = {}, ...programs } = run;
    await using booted = await bootMachine({ trace: false, seed: this.#options.seed, ...machine, policy, cpus });
    return await this.runOn(booted, programs);
  }

  /** The same on a machine that the caller owns. */
  async runOn(machine: Machine, programs: Omit<ProgramsRun, 'signal' | 'seed'>): Promise<Ran> {
    const { signal } = this.#options;
    const latency = new LatencyTotals();
    const result = await runPrograms(machine, { ...programs, latency, ...(signal === undefined ? {} : { signal }) });
    this.checkInterrupt();
    if (result.verdict !== 'success') throw wentWrong(result);
    const times = Array.from({ length: machine.config.cpus }, (_, cpu) => timesOf(machine, cpu));
    const sample = sampleOfRun(result, machine, latency);
    return { result, seconds: sample.seconds, sample, times };
  }

  checkInterrupt(): void {
    if (this.#options.signal?.aborted === true) throw new InterruptedError('interrupted');
  }
}

function wentWrong({ verdict, policy, violations, postMortem }: RunResult): Error {
  const [violation] = violations;
  const why = violation === undefined ? (postMortem?.message ?? '') : `${violation.id}: ${violation.message}`;
  const sentence = `A run under ${policy} ended with ${verdict}: ${why}`;
  return verdict === 'stall' ? new StallError(sentence) : new Error(sentence);
}

/** The programs of a scenario as a run, with devices of the claim's own in the place of the scenario's, one for one. */
export function fromScenario(scenario: Scenario, cpus: number, devices: readonly DeviceOptions[]): Omit<ClaimRun, 'policy'> {
  const shape = { cpus, frames: sizeFor(cpus).frames, seed: 1 };
  const { sysctl = {} } = scenario;
  return {
    cpus,
    machine: { devices },
    files: scenario.files?.(shape) ?? [],
    sysctl: typeof sysctl === 'function' ? sysctl(shape) : sysctl,
    setup: scenario.setup(shape),
    program: (cpu) => scenario.program(cpu, shape),
  };
}

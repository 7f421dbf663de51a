/**
 * A failure that was found on free threads, looked for in lock-step to have it again exactly: the same scenario, and first the same programs,
 * under many schedules, until the same rule breaks or the time is up.
 * Next: laid_out.ts
 */
import type { ArchEntry } from '@faultlab/core/policy/arch_entry';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { needsThread, resolveDevice } from '../device/device_options.ts';
import type { Scenario } from '../scenario.ts';
import { LOCKSTEP_CPUS_MAX } from './board.ts';
import type { ExploreFailure } from './explore_options.ts';
import { type ExploreTurn, type LaidOut, layOut } from './laid_out.ts';

export interface HandOverOptions {
  readonly scenario: Scenario;
  readonly policy: string | FaultPolicy;
  readonly arch: string | ArchEntry;
  readonly cpus: number;
  /** Of the run that failed. */
  readonly seed: number;
  readonly verify: boolean;
  /** The rule that it broke, or `stall`. */
  readonly broken: string;
  /** How long to look; 20 when not given. */
  readonly seconds?: number;
  /** What went wrong on request, as --inject takes it. */
  readonly inject?: string;
  readonly signal?: AbortSignal;
  /** For tests: a real bug that the machine has. */
  readonly mutant?: string;
}

export interface HandOver {
  /** The same rule, broken in a schedule that can be repeated. */
  readonly found: ExploreFailure | undefined;
  /** Another one, if only that was broken. */
  readonly other: ExploreFailure | undefined;
  readonly cpus: number;
  /** Operations of each CPU in a schedule. */
  readonly ops: number;
  readonly schedules: number;
  readonly seconds: number;
}

export const HAND_OVER_SECONDS = 20;
const OPS = 10;
/** Schedules before another strategy has its turn. */
const TURN_SCHEDULES = 50;
const TURNS: readonly ExploreTurn[] = [
  { strategy: 'random' },
  { strategy: 'pct', depth: 3 },
  { strategy: 'pos' },
  { strategy: 'pct', depth: 6 },
];
const SEED_STEP = 0x9e3779b1;
const STALLS: ReadonlySet<string> = new Set(['deadlock', 'livelock', 'hang']);

/** @throws UsageError when the scenario cannot be laid out, or for an injection that lock-step cannot have */
export async function handOver(options: HandOverOptions): Promise<HandOver> {
  const { scenario, policy, arch, seed, verify, broken, seconds = HAND_OVER_SECONDS, mutant } = options;
  const startMs = performance.now();
  const leftSeconds = (): number => seconds - (performance.now() - startMs) / 1000;
  const cpus = Math.min(options.cpus, LOCKSTEP_CPUS_MAX - othersOf(scenario));
  const isSame = ({ invariant }: ExploreFailure): boolean => invariant === broken || (broken === 'stall' && STALLS.has(invariant));
  let machine: LaidOut | undefined;
  let [schedules, other]: [number, ExploreFailure | undefined] = [0, undefined];
  try {
    for (let turn = 0; leftSeconds() > 0 && options.signal?.aborted !== true; turn++) {
      if (machine?.usable !== true) {
        await machine?.[Symbol.asyncDispose]();
        machine = await layOut({ scenario, policy, arch, cpus, seed, verify, inject: options.inject ?? '', count: OPS });
      }
      const drawn = (seed + Math.imul(turn, SEED_STEP)) >>> 0;
      const result = await machine.explore({
        ...(TURNS[turn % TURNS.length] as ExploreTurn),
        seed: drawn,
        schedules: TURN_SCHEDULES,
        seconds: Math.max(0.05, leftSeconds()),
        // The programs of the failed run first; further turns have others, too.
        ...(turn < TURNS.length ? { programSeed: seed } : {}),
        ...(mutant === undefined ? {} : { mutant }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      schedules += result.schedules;
      const { first } = result;
      if (first !== undefined && isSame(first)) {
        return { found: first, other, cpus, ops: OPS, schedules, seconds: (performance.now() - startMs) / 1000 };
      }
      other ??= first;
    }
  } finally {
    await machine?.[Symbol.asyncDispose]();
  }
  return { found: undefined, other, cpus, ops: OPS, schedules, seconds: (performance.now() - startMs) / 1000 };
}

/** Devices and background threads, which are CPUs, too. */
const othersOf = ({ devices = [], background = [] }: Scenario): number =>
  devices.map(resolveDevice).filter(needsThread).length + background.length;

/** One line about a search that found nothing, or something else. */
export function notFoundLine({ other, cpus, ops, schedules, seconds }: HandOver): string {
  const tried = `${schedules} schedule${schedules === 1 ? '' : 's'} of ${cpus} CPUs with ${ops} operations each, ${seconds.toFixed(1)} s`;
  const also = other?.again === undefined ? '' : `; ${other.invariant} was broken instead: faultlab again ${other.again}`;
  return `In lock-step it was not found (${tried}), so there is no exact replay${also}.`;
}

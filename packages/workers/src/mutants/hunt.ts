/**
 * One hunt on free-running threads, or by force: a machine with a mutant, or the right one, runs the scenario of the hunt until something is caught or the time is up.
 * Next: kill_matrix.ts
 */
import { mutantById } from '@faultlab/core/mutants/catalogue';
import { parseInject } from '../inject/parse_inject.ts';
import { runScenario } from '../run_scenario.ts';
import type { Caught } from './caught.ts';
import { AREA_TRIGGERS } from './forced/area_triggers.ts';
import { DIRECT_TRIGGERS } from './forced/direct_triggers.ts';
import { type ForcedTrigger, runForced } from './forced/forced_trigger.ts';
import { PAGE_TRIGGERS } from './forced/page_triggers.ts';
import { QUEUE_TRIGGERS } from './forced/queue_triggers.ts';
import type { Hunt } from './hunts.ts';

/** How one hunt ended. */
export interface HuntResult {
  readonly caught: Caught | undefined;
  /** From the start of the machine. */
  readonly seconds: number;
  /** Schedules that were tried; a run on free-running threads is one. */
  readonly schedules: number;
}

export interface HuntLimits {
  readonly seed: number;
  readonly seconds: number;
  /** Ends it between two operations. */
  readonly signal?: AbortSignal;
}

const CPUS = 3;
/** A host that does other things besides must not look like a lost wake-up. */
const STALL_MS = 10_000;

/** Runs a hunt on free-running threads. @param mutated without it, the right model runs the same */
export async function huntFree(hunt: Hunt, mutated: boolean, { seed, seconds, signal }: HuntLimits): Promise<HuntResult> {
  const startedMs = performance.now();
  const result = await runScenario(hunt.scenario, {
    cpus: hunt.cpus ?? CPUS,
    policy: hunt.policy ?? 'linux-6.18',
    seed,
    verify: true,
    seconds,
    stallMs: STALL_MS,
    inject: hunt.inject === undefined ? [] : parseInject(hunt.inject),
    ...(mutated ? { mutant: hunt.mutant } : {}),
    ...(signal === undefined ? {} : { signal }),
  });
  return { caught: caughtBy(result), seconds: (performance.now() - startedMs) / 1000, schedules: 1 };
}

function caughtBy({ verdict, violations, postMortem }: Awaited<ReturnType<typeof runScenario>>): Caught | undefined {
  const [first] = violations;
  if (first !== undefined) return { by: first.id, message: first.message };
  return verdict === 'success' ? undefined : { by: verdict, message: postMortem?.message ?? '' };
}

export const FORCED_TRIGGERS: readonly ForcedTrigger[] = [...DIRECT_TRIGGERS, ...AREA_TRIGGERS, ...QUEUE_TRIGGERS, ...PAGE_TRIGGERS];

/** Carries out the interleaving that a mutant needs. @param mutant undefined: on the right model */
export function huntForced(trigger: ForcedTrigger, mutant: string | undefined): HuntResult {
  const startedMs = performance.now();
  const caught = runForced(trigger, mutant === undefined ? undefined : mutantById(mutant).number);
  return { caught, seconds: (performance.now() - startedMs) / 1000, schedules: 1 };
}

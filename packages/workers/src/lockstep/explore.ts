/**
 * Explores a scenario, or programs, in lock-step: many schedules, each from the same beginning, until one fails or there are enough.
 *
 *   const { failing, first } = await explore({ scenario: 'munmap_storm', cpus: 3, strategy: 'pct', schedules: 1000, seed: 7 });
 *   if (first !== undefined) await again(first.again);
 *
 * Devices and background threads are CPUs like the others here: what they do is part of the schedule.
 * Next: laid_out.ts
 */
import type { ExploreOptions, ExploreResult } from './explore_options.ts';
import { layOut } from './laid_out.ts';

export type { ExploredPrograms, ExploreFailure, ExploreOptions, ExploreResult } from './explore_options.ts';
export { type ExploreTurn, type LaidOut, layOut } from './laid_out.ts';

/** @throws UsageError for a bad option, or a layout that does not fit */
export async function explore(options: ExploreOptions): Promise<ExploreResult> {
  await using laidOut = await layOut(options);
  return await laidOut.explore(options);
}

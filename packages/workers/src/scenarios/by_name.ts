/**
 * All scenarios, by name. A new one is a file beside this one and a line here.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { TRIGGER_SCENARIOS } from '../mutants/triggers/trigger_scenarios.ts';
import type { Scenario } from '../scenario.ts';
import { canary } from './canary.ts';
import { cgroupLimitChanges } from './cgroup_limit_changes.ts';
import { coldReaders } from './cold_readers.ts';
import { disjointAnon } from './disjoint_anon.ts';
import { dontneedRace } from './dontneed_race.ts';
import { driverFence } from './driver_fence.ts';
import { forkCow } from './fork_cow.ts';
import { forkIo } from './fork_io.ts';
import { gupMunmap } from './gup_munmap.ts';
import { gupRace } from './gup_race.ts';
import { ioConvoyFile } from './io_convoy_file.ts';
import { ioConvoySwap } from './io_convoy_swap.ts';
import { killStorm } from './kill_storm.ts';
import { kswapdPressure, lruGenPressure } from './kswapd_pressure.ts';
import { manyCgroups } from './many_cgroups.ts';
import { manySmallAreas } from './many_small_areas.ts';
import { migrateRace } from './migrate_race.ts';
import { mprotectStorm } from './mprotect_storm.ts';
import { munmapStorm } from './munmap_storm.ts';
import { oomStorm, oomStormGlobal, oomStormSwap } from './oom_storm.ts';
import { processChurn } from './process_churn.ts';
import { processTree } from './process_tree.ts';
import { readahead } from './readahead.ts';
import { reclaimVsFaults } from './reclaim_vs_faults.ts';
import { refaultThrash } from './refault_thrash.ts';
import { samePageStorm } from './same_page_storm.ts';
import { sharedWriteStorm } from './shared_write_storm.ts';
import { shmemStorm } from './shmem_storm.ts';
import { signalWaits } from './signal_waits.ts';
import { splitManySmall, splitOneLarge } from './split_areas.ts';
import { splitMergeStorm } from './split_merge_storm.ts';
import { stackGrowth } from './stack_growth.ts';
import { storageSwarm } from './storage_swarm.ts';
import { swapStorm, swapStormSync } from './swap_storm.ts';
import { swarm } from './swarm.ts';
import { truncateRace } from './truncate_race.ts';
import { uffdHandoff } from './uffd_handoff.ts';
import { workingSetFarBeyondMemory } from './working_set_far_beyond_memory.ts';

export const SCENARIOS: readonly Scenario[] = [
  disjointAnon,
  samePageStorm,
  mprotectStorm,
  munmapStorm,
  splitMergeStorm,
  forkCow,
  stackGrowth,
  manySmallAreas,
  dontneedRace,
  gupRace,
  killStorm,
  processChurn,
  coldReaders,
  readahead,
  sharedWriteStorm,
  truncateRace,
  ioConvoyFile,
  gupMunmap,
  uffdHandoff,
  driverFence,
  migrateRace,
  swapStorm,
  swapStormSync,
  ioConvoySwap,
  shmemStorm,
  forkIo,
  signalWaits,
  storageSwarm,
  refaultThrash,
  workingSetFarBeyondMemory,
  splitOneLarge,
  splitManySmall,
  reclaimVsFaults,
  cgroupLimitChanges,
  kswapdPressure,
  lruGenPressure,
  manyCgroups,
  processTree,
  oomStorm,
  oomStormSwap,
  oomStormGlobal,
  swarm,
  canary,
];

/** The mix of a stress run: everything that has to go well. */
export const STRESS_MIX: readonly Scenario[] = SCENARIOS.filter((scenario) => scenario.mustFail === undefined);

const named = (name: string): Scenario | undefined => [...SCENARIOS, ...TRIGGER_SCENARIOS].find((scenario) => scenario.name === name);

/** Is this the scenario that its name stands for? */
export const isNamed = (scenario: Scenario): boolean => named(scenario.name) === scenario;

/** @throws UsageError naming the known scenarios */
export function scenarioByName(name: string): Scenario {
  const found = named(name);
  if (found === undefined) {
    throw new UsageError(`There is no scenario "${name}"; choose from ${SCENARIOS.map((scenario) => scenario.name).join(', ')}.`);
  }
  return found;
}

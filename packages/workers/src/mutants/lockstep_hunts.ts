/**
 * With what each mutant is hunted in lock-step: a scenario that has a name, so that `faultlab explore` and `faultlab again` have it, too.
 * Next: lockstep_hunt.ts
 */
import type { Scenario } from '../scenario.ts';
import { scenarioByName } from '../scenarios/by_name.ts';
import type { LockstepStrategy } from './engines.ts';

export interface LockstepHunt {
  readonly mutant: string;
  readonly scenario: Scenario;
  readonly policy: string;
  readonly cpus: number;
  /** Operations of each CPU; rounds, where they repeat a list. */
  readonly ops: number;
  /** Of pct; its own when not given. */
  readonly depth?: number;
  /** More schedules than others, so many times. */
  readonly patience: number;
  /** Strategies that are of no use here. */
  readonly without: readonly LockstepStrategy[];
}

type How = Partial<Omit<LockstepHunt, 'mutant' | 'scenario' | 'patience'>> & { readonly patience?: number };

/** A drawn program says nothing about small cases, and a machine with devices has too many schedules. */
function hunt(mutant: string, name: string, how: How = {}): LockstepHunt {
  const scenario = scenarioByName(name);
  const cpus = how.cpus ?? Math.max(2, scenario.cpusMin ?? 1);
  const small = name.startsWith('trigger_') && cpus <= 2;
  return {
    mutant,
    scenario,
    policy: 'linux-6.18',
    ops: name.startsWith('trigger_') ? 2 : 6,
    patience: 1,
    without: small ? [] : ['dfs'],
    ...how,
    cpus,
  };
}

export const LOCKSTEP_HUNTS: readonly LockstepHunt[] = [
  hunt('B01', 'trigger_stack'),
  hunt('B02', 'trigger_fork_once'),
  hunt('B03', 'trigger_map_unmap'),
  hunt('B03b', 'trigger_map_file'),
  hunt('B04', 'trigger_stack'),
  hunt('B05', 'trigger_move_keep', { patience: 3 }),
  hunt('B06', 'trigger_protect_once', { patience: 3 }),
  hunt('B07', 'trigger_split'),
  hunt('B09', 'trigger_protect'),
  hunt('B10', 'trigger_map_unmap'),
  hunt('B11', 'trigger_map_unmap', { policy: 'linux-6.12', patience: 2 }),
  hunt('B12', 'trigger_reused_slot', { ops: 1 }),
  hunt('B12b', 'trigger_reused_slot', { ops: 1 }),
  hunt('B14', 'trigger_reused_slot', { ops: 1, patience: 3 }),
  hunt('B14b', 'trigger_split'),
  hunt('B15', 'trigger_fork_once'),
  hunt('B40', 'trigger_denied_write'),
  hunt('B44', 'trigger_map_unmap'),
  hunt('B48', 'trigger_protect_once'),
  hunt('B18', 'trigger_fresh_area'),
  hunt('B19', 'trigger_stack'),
  hunt('B34b', 'trigger_killed_writers', { policy: 'linux-6.0' }),
  hunt('B34c', 'trigger_killed_writers'),
  hunt('B34d', 'mprotect_storm', { cpus: 3, policy: 'linux-6.0' }),
  hunt('B41', 'trigger_map_unmap'),
  hunt('B42', 'trigger_killed_writers'),
  hunt('B47', 'gup_munmap', { cpus: 3 }),
  hunt('B49', 'trigger_protect'),
  hunt('B16', 'trigger_fresh_area'),
  hunt('B22', 'trigger_closed_userfault'),
  hunt('B23a', 'trigger_throttled_write', { policy: 'linux-6.0' }),
  hunt('B23c', 'trigger_throttled_write'),
  hunt('B24', 'trigger_cold_read'),
  hunt('B25', 'trigger_cold_read'),
  hunt('B26', 'trigger_killed_read', { policy: 'linux-6.4' }),
  hunt('B27-mapping', 'trigger_punch', { ops: 1, patience: 3 }),
  hunt('B27-size', 'trigger_shorten', { ops: 1, patience: 3 }),
  hunt('B27-unmap', 'trigger_shorten_copies'),
  hunt('B28-anon', 'trigger_first_touch'),
  hunt('B28-file', 'trigger_read_twice'),
  hunt('B28-numa', 'trigger_numa_hint', { patience: 3 }),
  hunt('B28-swap', 'trigger_swap_discard'),
  hunt('B28-wp', 'trigger_fork_write'),
  hunt('B36', 'trigger_device_page', { cpus: 1 }),
  hunt('B36b', 'trigger_cold_read', { policy: 'retry-vma' }),
  hunt('B38', 'trigger_swap_handler'),
  hunt('B39-account', 'trigger_cold_read'),
  hunt('B39-file', 'trigger_cold_read'),
  hunt('B46-twice', 'trigger_cold_read'),
  hunt('B50', 'trigger_move_page'),
  hunt('B20', 'trigger_swap_reuse'),
  hunt('B31a', 'trigger_move_file'),
  hunt('B32-dontneed', 'trigger_told_discard', { ops: 1 }),
  hunt('B32-remove', 'trigger_remove_unmap'),
  hunt('B33a', 'trigger_folio_queue'),
  hunt('B33b', 'trigger_folio_queue'),
  hunt('B33c', 'trigger_folio_queue'),
  hunt('B33d', 'trigger_killed_in_folio_queue', { ops: 1 }),
  hunt('B51', 'trigger_cold_read'),
  hunt('B52', 'trigger_pinned_out'),
  hunt('B53', 'trigger_evict'),
];

/** What makes two hunts the same for the right model. */
export const lockstepHuntKey = ({ scenario, policy, cpus, ops, depth = 0, patience }: LockstepHunt): string =>
  [scenario.name, policy, cpus, ops, depth, patience].join('|');

/**
 * With what each mutant is hunted on free-running threads: a scenario in which its trigger is likely, and delays at the named points between
 * which its window lies. The same scenario without the mutant has to go well for as long.
 * Next: hunt.ts
 */
import type { Scenario } from '../scenario.ts';
import { scenarioByName } from '../scenarios/by_name.ts';
import { mapAndUnmap, moveAndKeep, protectAndTouch, truncatedCopies } from './area_triggers.ts';

export interface Hunt {
  readonly mutant: string;
  readonly scenario: Scenario;
  /** Injections, as on the command line; none when not given. */
  readonly inject?: string;
  readonly policy?: string;
  readonly cpus?: number;
}

const delay = (point: string, rate: string, time: string): string => `delay:point=${point},rate=${rate},time=${time}`;

const hunt = (mutant: string, scenario: string | Scenario, how: Omit<Hunt, 'mutant' | 'scenario'> = {}): Hunt => ({
  mutant,
  scenario: typeof scenario === 'string' ? scenarioByName(scenario) : scenario,
  ...how,
});

export const HUNTS: readonly Hunt[] = [
  hunt('B01', 'stack_growth', { inject: delay('between_unlock_and_relock', '10%', '300us') }),
  hunt('B02', 'fork_cow'),
  hunt('B03', mapAndUnmap, { inject: delay('after_tree_store', '50%', '500us') }),
  hunt('B03b', 'cold_readers'),
  hunt('B04', 'stack_growth'),
  hunt('B05', moveAndKeep, { inject: delay('after_tree_walk', '30%', '500us') }),
  hunt('B06', protectAndTouch, { inject: delay('after_pin', '30%', '500us') }),
  hunt('B07', 'split_merge_storm'),
  hunt('B09', 'mprotect_storm'),
  hunt('B10', 'munmap_storm'),
  hunt('B11', 'munmap_storm', { inject: delay('after_tree_walk', '10%', '500us'), policy: 'linux-6.12' }),
  hunt('B14b', 'split_merge_storm'),
  hunt('B15', 'process_churn'),
  hunt('B16', 'munmap_storm', { inject: delay('before_anon_vma_trylock', '10%', '300us') }),
  hunt('B18', 'munmap_storm'),
  hunt('B19', 'stack_growth', { inject: delay('between_downgrade_and_zap', '20%', '500us') }),
  hunt('B23a', 'shared_write_storm'),
  hunt('B23c', 'shared_write_storm'),
  hunt('B24', 'cold_readers'),
  hunt('B25', 'cold_readers'),
  hunt('B26', 'signal_waits', { inject: 'signal:rate=10%' }),
  hunt('B27-mapping', 'truncate_race', { inject: delay('before_folio_lock', '20%', '1ms') }),
  hunt('B27-unmap', truncatedCopies, { inject: delay('before_ptl', '30%', '1ms') }),
  hunt('B28-anon', 'same_page_storm'),
  hunt('B28-file', 'truncate_race', { inject: delay('before_ptl', '20%', '1ms') }),
  hunt('B28-wp', 'fork_cow', { inject: delay('before_wp_install', '30%', '1ms') }),
  hunt('B34b', 'mprotect_storm', { policy: 'linux-6.0' }),
  hunt('B34d', 'mprotect_storm', { policy: 'linux-6.0' }),
  hunt('B36', 'migrate_race'),
  hunt('B36b', 'cold_readers', { policy: 'retry-vma' }),
  hunt('B39-account', 'cold_readers'),
  hunt('B39-file', 'cold_readers'),
  hunt('B40', 'mprotect_storm'),
  hunt('B41', 'munmap_storm'),
  hunt('B42', 'kill_storm', { inject: 'signal:rate=5%' }),
  hunt('B44', mapAndUnmap, { inject: delay('before_ptl', '30%', '1ms') }),
  hunt('B47', 'gup_munmap'),
  hunt('B48', protectAndTouch, { inject: `${delay('after_pin', '30%', '500us')},${delay('between_exclude_and_stamp', '30%', '500us')}` }),
  hunt('B49', 'mprotect_storm'),
  hunt('B50', 'migrate_race'),
  hunt('B46-twice', 'cold_readers'),
];

/** What makes two hunts the same for the right model. */
export const huntKey = ({ scenario, inject = '', policy = '', cpus = 0 }: Hunt): string => [scenario.name, inject, policy, cpus].join('|');

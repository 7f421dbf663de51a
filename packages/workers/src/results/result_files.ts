/**
 * Which comparisons docs/RESULTS.md is made of: each is a file of results/, made by scripts/collect_results.mjs.
 * Next: results_page.ts
 */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { DEFAULT_SCENARIOS } from '../compare/default_set.ts';

export type ResultName = 'proposals' | 'uptodate' | 'releases' | 'completed' | 'dropping';

export interface ResultFile {
  /** results/NAME.json */
  readonly name: ResultName;
  /** The first is the baseline. */
  readonly policies: readonly FaultPolicy[];
  readonly scenarios: readonly string[];
}

/** The kernel of 6.0 as if it had never learned to drop its lock. */
export const HELD_6_0: FaultPolicy = {
  ...policyByName('linux-6.0'),
  name: 'linux-6.0-hold',
  summary: 'linux-6.0, with mmap_lock held over I/O',
  fileWait: 'hold',
  anonWait: 'hold',
};

const named = (...names: readonly string[]): FaultPolicy[] => names.map(policyByName);

export const RESULT_FILES: readonly ResultFile[] = [
  { name: 'proposals', policies: named('linux-6.18', 'retry-vma', 'hold', 'hold-file', 'reacquire'), scenarios: DEFAULT_SCENARIOS },
  {
    name: 'uptodate',
    policies: named('retry-vma', 'retry-vma-uptodate', 'retry-vma-uptodate-writeback'),
    scenarios: ['io_convoy_file', 'io_convoy_swap', 'swap_storm'],
  },
  {
    name: 'releases',
    policies: named('linux-6.0', 'linux-6.4', 'linux-6.6', 'linux-6.12', 'linux-6.18'),
    scenarios: ['disjoint_anon', 'munmap_storm', 'many_small_areas'],
  },
  { name: 'completed', policies: named('linux-5.7', 'linux-6.0'), scenarios: ['shared_write_storm'] },
  { name: 'dropping', policies: [HELD_6_0, policyByName('linux-6.0')], scenarios: ['cold_readers'] },
];

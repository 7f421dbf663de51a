/**
 * What is compared when nobody says: the scenarios that speak to the debate about fault locks and I/O.
 */

/** Names of scenarios. */
export const DEFAULT_SCENARIOS: readonly string[] = [
  'refault_thrash',
  'cold_readers',
  'io_convoy_file',
  'io_convoy_swap',
  'fork_io',
  'split_one_large',
  'split_many_small',
  'shared_write_storm',
];

export const DEFAULT_POLICIES = 'linux-6.18,retry-vma,hold';

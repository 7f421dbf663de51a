/**
 * Wrong on purpose: a shared counter under a lock that looks and then writes, instead of doing both at once.
 *
 *   CPU 0                                     CPU 1
 *   1 looks: free
 *                                             2 looks: free
 *   3 writes: mine
 *                                             4 writes: mine   <- both are inside
 *
 * If this run ends well, the other runs prove nothing.
 */
import { EXCLUSION } from '../program/counting.ts';
import type { Scenario } from '../scenario.ts';

export const canary: Scenario = {
  name: 'canary',
  story: 'a counter under a lock that is wrong on purpose; this run must fail',
  mustSee: [],
  mustFail: EXCLUSION,
  setup: () => [],
  program: () => ({ regions: [], body: { draw: [{ op: 'count_busted', weight: 1, pages: [1, 20] }] } }),
};

/** All claims, in their order. */
import { UsageError } from '@faultlab/core/base/errors';
import { C1 } from './c01_shmem_pgfault.ts';
import { C2 } from './c02_completed_faster.ts';
import { C3 } from './c03_drop_frees_writers.ts';
import { C15 } from './c15_throttled_retry.ts';
import { C17 } from './c17_convoy.ts';
import type { Claim } from './claim.ts';

export const CLAIMS: readonly Claim[] = [C1, C2, C3, C15, C17];

/** @param ids as typed; all when there are none @throws UsageError for one that does not exist */
export function claimsById(ids: readonly string[]): Claim[] {
  if (ids.length === 0) return [...CLAIMS];
  const wanted = new Set(ids.map((id) => id.toUpperCase()));
  for (const id of wanted) {
    if (CLAIMS.every((claim) => claim.id !== id)) {
      throw new UsageError(`There is no claim ${JSON.stringify(id)}; name some of ${CLAIMS.map((claim) => claim.id).join(', ')}.`);
    }
  }
  return CLAIMS.filter(({ id }) => wanted.has(id));
}

/** All claims, in their order. */
import { UsageError } from '@faultlab/core/base/errors';
import { C1 } from './c01_shmem_pgfault.ts';
import { C2 } from './c02_completed_faster.ts';
import { C3 } from './c03_drop_frees_writers.ts';
import { C4 } from './c04_retry_vma_traffic.ts';
import { C5 } from './c05_refault_thrash.ts';
import { C6 } from './c06_uptodate_rule.ts';
import { C7 } from './c07_hold_blocks_fork.ts';
import { C8 } from './c08_one_big_area.ts';
import { C9 } from './c09_scaling.ts';
import { C10 } from './c10_anon_vma.ts';
import { C11 } from './c11_convoy.ts';
import { C12 } from './c12_aging_walks.ts';
import { C13 } from './c13_far_beyond_memory.ts';
import { C14 } from './c14_simplicity.ts';
import { C15 } from './c15_throttled_retry.ts';
import { C16 } from './c16_shmem_zram_hold.ts';
import { C17 } from './c17_convoy.ts';
import type { Claim } from './claim.ts';

export const CLAIMS: readonly Claim[] = [C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17];

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

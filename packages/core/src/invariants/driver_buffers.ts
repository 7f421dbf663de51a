/**
 * Q03, Q10: at rest the device of a driver's buffer is done with it, nobody waits for it, and nobody has reserved it.
 * Next: invariants/sweep.ts
 */
import type { MappingId } from '../base/brand.ts';
import { MUTEX_WORDS } from '../locking/mutex.ts';
import { FENCE_WORDS, FILE_DRIVER, fenceWords, fileKind, resvLockWord } from '../mm/address_space.ts';
import { MAPPING_CACHE } from '../slab/caches.ts';
import { cacheSlots, isAllocated } from '../slab/kmem_cache.ts';
import type { SweepState } from './sweep_state.ts';

export function sweepDriverBuffers(state: SweepState): void {
  const { m } = state;
  for (let slot = 1; slot <= cacheSlots(m, MAPPING_CACHE); slot++) {
    const file = slot as MappingId;
    if (!isAllocated(m, MAPPING_CACHE, slot) || fileKind(m, file) !== FILE_DRIVER) continue;
    const fence = fenceWords(m, file);
    const busy = m.words.subarray(fence, fence + FENCE_WORDS).some((word) => word !== 0);
    if (busy) state.report('Q03', `file ${file}: the device is at work on it, or somebody waits for its fence`);
    const lock = resvLockWord(m, file);
    const reserved = m.words.subarray(lock, lock + MUTEX_WORDS).some((word) => word !== 0);
    if (reserved) state.report('Q10', `file ${file}: somebody has reserved the buffer, or waits for it`);
  }
}

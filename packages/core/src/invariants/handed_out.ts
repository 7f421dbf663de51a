/**
 * How much of everything a machine has handed out. Two looks at an idle machine that ought to be equal are a leak test: rules that look at each
 * record find nothing wrong with one that nobody knows any more.
 * @kernel /proc/slabinfo, /proc/meminfo; mm/kmemleak.c
 * Next: sweep.ts for the rules
 */
import type { SwapId } from '../base/brand.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { nr_free_pages } from '../mm/page_alloc.ts';
import { swapInUse } from '../mm/swapfile.ts';
import { CACHE_NAMES, type CacheId } from '../slab/caches.ts';
import { kmem_cache_in_use } from '../slab/kmem_cache.ts';

/** Slots of each pool, frames, slots of swap areas: how many of each kind are in use. */
export type HandedOut = ReadonlyMap<string, number>;

/** Exact when nobody runs. Any thread may ask. Never sleeps. */
export function handedOut(memory: SharedMemory): HandedOut {
  let swapSlots = 0;
  for (let area = 0; area < memory.size.swaps; area++) swapSlots += swapInUse(memory, area as SwapId);
  return new Map([
    ...CACHE_NAMES.map((name, cache) => [name, kmem_cache_in_use(memory, cache as CacheId)] as const),
    ['frame', memory.size.frames - nr_free_pages(memory)],
    ['swap slot', swapSlots],
  ]);
}

/** @returns a sentence for each kind of which there is more, or less, than before; none: nothing was lost */
export function leaks(before: HandedOut, after: HandedOut): string[] {
  return [...after]
    .map(([name, count]) => ({ name, more: count - (before.get(name) ?? 0) }))
    .filter(({ more }) => more !== 0)
    .map(({ name, more }) =>
      more > 0 ? `${more} of ${name} were never given back` : `${-more} of ${name} were given back more often than handed out`,
    );
}

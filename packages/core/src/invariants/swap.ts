/**
 * I29, Q06: every slot of a swap area is counted for as many entries of page tables and page caches as lead to it; the swap cache and its folios
 * agree, one to one; nobody claims an entry, and the count of slots in use is right.
 * Next: invariants/rmap.ts
 */
import type { MappingId, MmId, Pfn, SwapId, SwpEntry } from '../base/brand.ts';
import { pagesRoot, shmem_mapping } from '../mm/address_space.ts';
import { folioFlagsWord, folioGeneration, folioSwapEntry, NO_FOLIO, PG_swapcache } from '../mm/folio.ts';
import { swapEntsWord } from '../mm/mm_struct.ts';
import {
  is_swap_pte,
  non_swap_entry,
  pte_to_swp_entry,
  swp_entry,
  swp_offset,
  swpSwap,
  xa_is_value,
  xa_to_value,
} from '../mm/swap_entry.ts';
import { nextSlotInUse, slotSeen, swapInUse, swapMax } from '../mm/swapfile.ts';
import { xa_for_each } from '../mm/xarray.ts';
import { MAPPING_CACHE } from '../slab/caches.ts';
import { cacheSlots, isAllocated } from '../slab/kmem_cache.ts';
import type { SweepState } from './sweep_state.ts';

export function sweepSwap(state: SweepState): void {
  const { m } = state;
  const leading = new Map<SwpEntry, number>();
  countPageTables(state, leading);
  countPageCaches(state, leading);
  for (let area = 0; area < m.size.swaps; area++) sweepArea(state, area as SwapId, leading);
  sweepFolios(state);
}

const add = (counts: Map<SwpEntry, number>, entry: SwpEntry): void => void counts.set(entry, (counts.get(entry) ?? 0) + 1);

function countPageTables(state: SweepState, leading: Map<SwpEntry, number>): void {
  const { m } = state;
  const books = new Map<MmId, number>();
  for (const { mm } of state.spaces) books.set(mm, 0);
  for (const { mm, vpn, pte } of state.entries) {
    if (!is_swap_pte(pte)) continue;
    const entry = pte_to_swp_entry(pte);
    if (non_swap_entry(entry)) continue;
    add(leading, entry);
    books.set(mm, (books.get(mm) ?? 0) + 1);
    if (swp_offset(entry) < 1 || swp_offset(entry) >= swapMax(m, swpSwap(entry)))
      state.report(
        'I29',
        `mm ${mm}: the entry of page ${vpn} leads to slot ${swp_offset(entry)} of swap area ${swpSwap(entry)}, which does not exist`,
      );
  }
  for (const [mm, found] of books) {
    const noted = m.words[swapEntsWord(m, mm)] as number;
    if (noted !== found) state.report('I29', `mm ${mm}: it counts ${noted} pages in swap, but has ${found}`);
  }
}

/** Pages of shmem that are in swap. */
function countPageCaches(state: SweepState, leading: Map<SwpEntry, number>): void {
  const { m, cpu } = state;
  for (let slot = 1; slot <= cacheSlots(m, MAPPING_CACHE); slot++) {
    if (!isAllocated(m, MAPPING_CACHE, slot) || !shmem_mapping(m, slot as MappingId)) continue; // The numbers of others are shadows.
    xa_for_each(cpu, pagesRoot(m, slot as MappingId), (_index, entry) => {
      if (xa_is_value(entry)) add(leading, xa_to_value(entry) as SwpEntry);
    });
  }
}

function sweepArea(state: SweepState, area: SwapId, leading: ReadonlyMap<SwpEntry, number>): void {
  const { m } = state;
  const max = swapMax(m, area);
  let inUse = 0;
  for (let offset = nextSlotInUse(m, area, 1); offset < max; offset = nextSlotInUse(m, area, offset + 1)) {
    const { count, cached, folio, shadow } = slotSeen(m, area, offset);
    const entry = swp_entry(area, offset);
    const where = slotName(entry);
    if (count !== 0 || cached) inUse++;
    sweepCount(state, entry, count, leading.get(entry) ?? 0);
    if (cached !== (folio !== NO_FOLIO))
      state.report(
        'Q06',
        `${where} is ${cached ? 'claimed, but the swap cache has no folio there' : 'not claimed, but the swap cache has a folio there'}`,
      );
    if (shadow !== 0 && count === 0) state.report('I29', `${where} is free, but remembers a page`);
    if (folio !== NO_FOLIO) sweepCached(state, where, entry, folio);
  }
  for (const [entry, found] of leading) {
    const offset = swp_offset(entry);
    if (swpSwap(entry) === area && offset >= 1 && offset < max && nextSlotInUse(m, area, offset) !== offset)
      sweepCount(state, entry, 0, found);
  }
  if (max > 0 && inUse !== swapInUse(m, area))
    state.report('Q06', `swap area ${area} counts ${swapInUse(m, area)} slots in use, but has ${inUse}`);
}

const slotName = (entry: SwpEntry): string => `slot ${swp_offset(entry)} of swap area ${swpSwap(entry)}`;

function sweepCount(state: SweepState, entry: SwpEntry, count: number, found: number): void {
  if (count !== found) state.report('I29', `${slotName(entry)} counts ${count} entries, but ${found} lead to it`);
}

function sweepCached(state: SweepState, where: string, entry: SwpEntry, folio: Pfn): void {
  const { m } = state;
  const flags = m.words[folioFlagsWord(m, folio)] as number;
  if ((folioGeneration(m, folio) & 1) === 0) state.report('I29', `${where} has frame ${folio} in the swap cache, which is free`);
  else if ((flags & PG_swapcache) === 0 || folioSwapEntry(m, folio) !== entry)
    state.report('I29', `${where} has frame ${folio} in the swap cache, which says that it is elsewhere`);
}

/** The other way round: a folio that says that it is in the swap cache is. */
function sweepFolios(state: SweepState): void {
  const { m } = state;
  for (let pfn = 1; pfn < m.size.frames; pfn++) {
    const folio = pfn as Pfn;
    const flags = m.words[folioFlagsWord(m, folio)] as number;
    if ((folioGeneration(m, folio) & 1) === 0 || (flags & PG_swapcache) === 0) continue;
    const entry = folioSwapEntry(m, folio);
    const offset = swp_offset(entry);
    const there = offset > 0 && offset < swapMax(m, swpSwap(entry)) && slotSeen(m, swpSwap(entry), offset).folio === folio;
    if (!there) state.report('I29', `frame ${folio} says that it is in the swap cache at entry ${entry}, but it is not`);
  }
}

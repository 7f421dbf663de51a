/**
 * I17, Q05, Q03, I25: a frame is free or in use, never both; it has as many mappings as entries lead to it and as many references as it has
 * mappings and places in page caches and in the swap cache; none is locked; the zero page is still zero.
 * Next: invariants/rmap.ts
 */
import type { MappingId, MmId, Pfn, SwapId } from '../base/brand.ts';
import { nrpages, pagesRoot } from '../mm/address_space.ts';
import {
  folio_index,
  folioFile,
  folioFlagsWord,
  folioGeneration,
  folioIsIdle,
  folioMapcountWord,
  folioMapping,
  folioRefcountWord,
  folioStampWord,
  lruNext,
  NO_FOLIO,
  PG_hwpoison,
  PG_locked,
  PG_swapbacked,
  PG_uptodate,
  PG_writeback,
  ZERO_PFN,
} from '../mm/folio.ts';
import { lruBatch } from '../mm/folio_add_lru.ts';
import { anonRssWord, fileRssWord, shmemRssWord } from '../mm/mm_struct.ts';
import { freeLists } from '../mm/page_alloc.ts';
import { rmapFolio } from '../mm/rmap_folio.ts';
import { xa_is_value } from '../mm/swap_entry.ts';
import { nextSlotInUse, slotSeen, swapMax } from '../mm/swapfile.ts';
import { xa_for_each } from '../mm/xarray.ts';
import { MAPPING_CACHE } from '../slab/caches.ts';
import { cacheSlots, isAllocated } from '../slab/kmem_cache.ts';
import type { SweepState } from './sweep_state.ts';

/** What leads to each frame. */
interface Uses {
  readonly entries: Int32Array;
  readonly caches: Int32Array;
  readonly free: Uint8Array;
}

export function sweepFrames(state: SweepState): void {
  const { frames } = state.m.size;
  if (frames === 0) return;
  const uses: Uses = { entries: new Int32Array(frames), caches: new Int32Array(frames), free: new Uint8Array(frames) };
  countEntries(state, uses);
  countPageCaches(state, uses);
  countSwapCache(state, uses);
  countLruBatches(state, uses);
  sweepFreeLists(state, uses);
  sweepZeroPage(state);
  for (let pfn = 1; pfn < frames; pfn++) if (!isIdle(state, uses, pfn as Pfn)) sweepFrame(state, uses, pfn as Pfn);
}

/** Free, in a free list, and nothing counts or leads to it: nothing to say of it. Most frames of a small run are like that. */
function isIdle({ m }: SweepState, uses: Uses, pfn: Pfn): boolean {
  if (uses.free[pfn] !== 1 || (uses.entries[pfn] as number) !== 0) return false;
  return folioIsIdle(m, pfn);
}

function countEntries(state: SweepState, uses: Uses): void {
  const { m, cpu } = state;
  const rss = new Map<MmId, { anon: number; file: number; shmem: number }>();
  for (const { mm } of state.spaces) rss.set(mm, { anon: 0, file: 0, shmem: 0 });
  for (const { mm, pte } of state.entries) {
    const pfn = rmapFolio(pte);
    if (pfn === NO_FOLIO || pfn >= m.size.frames) continue;
    uses.entries[pfn] = (uses.entries[pfn] as number) + 1;
    const books = rss.get(mm);
    if (books === undefined) continue;
    if ((folioMapping(cpu, pfn) & 1) !== 0) books.anon++;
    else if (((m.words[folioFlagsWord(m, pfn)] as number) & PG_swapbacked) !== 0) books.shmem++;
    else books.file++;
  }
  for (const [mm, { anon, file, shmem }] of rss) {
    if (m.words[anonRssWord(m, mm)] !== anon)
      state.report('I17', `mm ${mm}: it counts ${m.words[anonRssWord(m, mm)]} anonymous pages, but maps ${anon}`);
    if (m.words[fileRssWord(m, mm)] !== file)
      state.report('I17', `mm ${mm}: it counts ${m.words[fileRssWord(m, mm)]} file pages, but maps ${file}`);
    if (m.words[shmemRssWord(m, mm)] !== shmem)
      state.report('I17', `mm ${mm}: it counts ${m.words[shmemRssWord(m, mm)]} shmem pages, but maps ${shmem}`);
  }
}

function countPageCaches(state: SweepState, uses: Uses): void {
  const { m, cpu } = state;
  for (let slot = 1; slot <= cacheSlots(m, MAPPING_CACHE); slot++) {
    if (!isAllocated(m, MAPPING_CACHE, slot)) continue;
    const file = slot as MappingId;
    let pages = 0;
    xa_for_each(cpu, pagesRoot(m, file), (index, entry) => {
      if (xa_is_value(entry)) return;
      pages++;
      const pfn = entry as Pfn;
      uses.caches[pfn] = (uses.caches[pfn] as number) + 1;
      const mapping = folioMapping(cpu, pfn);
      if (folioFile(mapping) === file && folio_index(m, pfn) === index) return;
      state.report(
        'I16',
        `file ${file}: page ${index} is frame ${pfn}, which says that it is page ${folio_index(m, pfn)} of file ${folioFile(mapping)}`,
      );
    });
    if (pages !== nrpages(m, file))
      state.report('Q05', `file ${file}: it counts ${nrpages(m, file)} pages in the page cache, but has ${pages}`);
  }
}

function countSwapCache(state: SweepState, uses: Uses): void {
  const { m } = state;
  for (let area = 0; area < m.size.swaps; area++) {
    const max = swapMax(m, area as SwapId);
    for (let offset = nextSlotInUse(m, area as SwapId, 1); offset < max; offset = nextSlotInUse(m, area as SwapId, offset + 1)) {
      const { folio } = slotSeen(m, area as SwapId, offset);
      if (folio !== NO_FOLIO) uses.caches[folio] = (uses.caches[folio] as number) + 1;
    }
  }
}

/** A page on its way to a list is kept by the batch. */
function countLruBatches({ m }: SweepState, uses: Uses): void {
  for (let id = 0; id < m.size.cpus; id++) for (const pfn of lruBatch(m, id)) uses.caches[pfn] = (uses.caches[pfn] as number) + 1;
}

function sweepFreeLists(state: SweepState, uses: Uses): void {
  const { m } = state;
  for (const { name, head, count } of freeLists(m)) {
    let length = 0;
    let pfn = head;
    while (pfn !== NO_FOLIO && pfn > 0 && pfn < m.size.frames && uses.free[pfn] === 0) {
      uses.free[pfn] = 1;
      length++;
      pfn = lruNext(m, pfn);
    }
    if (pfn !== NO_FOLIO)
      state.report('Q05', `the free list of ${name} leads to frame ${pfn}, which is in a free list already or does not exist`);
    if (length !== count) state.report('Q05', `the free list of ${name} counts ${count} frames, but has ${length}`);
  }
}

function sweepZeroPage(state: SweepState): void {
  const { words } = state.m;
  const { m } = state;
  const stamp = words[folioStampWord(m, ZERO_PFN)];
  if (stamp !== 0) state.report('I25', `the zero page holds ${stamp}`);
  if (words[folioRefcountWord(m, ZERO_PFN)] !== 1)
    state.report('Q05', `the zero page has ${words[folioRefcountWord(m, ZERO_PFN)]} references instead of 1`);
  if (words[folioMapcountWord(m, ZERO_PFN)] !== 0)
    state.report('I17', `the zero page counts ${words[folioMapcountWord(m, ZERO_PFN)]} mappings, but it is never counted`);
  if ((words[folioFlagsWord(m, ZERO_PFN)] as number) !== PG_uptodate)
    state.report('Q03', `the zero page has the flags ${words[folioFlagsWord(m, ZERO_PFN)]}`);
}

function sweepFrame(state: SweepState, uses: Uses, pfn: Pfn): void {
  const { m } = state;
  const entries = uses.entries[pfn] as number;
  const flags = m.words[folioFlagsWord(m, pfn)] as number;
  const broken = (flags & PG_hwpoison) !== 0 ? 1 : 0; // Kept for ever by whoever found it broken.
  const references = entries + (uses.caches[pfn] as number) + broken;
  const refcount = m.words[folioRefcountWord(m, pfn)] as number;
  const mapcount = m.words[folioMapcountWord(m, pfn)] as number;
  const inUse = (folioGeneration(m, pfn) & 1) === 1;
  if (inUse) state.framesInUse++;
  if (mapcount !== entries) state.report('I17', `frame ${pfn} counts ${mapcount} mappings, but ${entries} entries lead to it`);
  if (inUse === (uses.free[pfn] === 1))
    state.report('Q05', `frame ${pfn} is ${inUse ? 'in use and in a free list' : 'free, but in no free list'}`);
  if (inUse && refcount !== references) state.report('Q05', `frame ${pfn} has ${refcount} references, but ${references} users`);
  if (!inUse && refcount !== 0) state.report('Q05', `frame ${pfn} is free, but has ${refcount} references`);
  if (inUse && (flags & (PG_locked | PG_writeback)) !== 0)
    state.report('Q03', `frame ${pfn} is locked or under writeback: its flags are ${flags}`);
}

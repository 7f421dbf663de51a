/**
 * I33, Q14: with reclaim by age on, every page that reclaim could take is on exactly one list, that of its cgroup, or on its way there in one batch; the
 * lists are sound and as long as they say; a cgroup counts as many pages as are charged to it. With it off all of that is empty.
 * Next: invariants/lru_gen.ts, invariants/frames.ts
 */
import type { Pfn } from '../base/brand.ts';
import { MEMCGS_MAX } from '../memory/layout.ts';
import { mappingEvictable } from '../mm/address_space.ts';
import {
  folio_memcg,
  folioFile,
  folioFlagsWord,
  folioGeneration,
  folioMapping,
  lruListOf,
  lruNext,
  lruPrev,
  NO_FOLIO,
  PG_device,
  PG_hwpoison,
  PG_lru,
} from '../mm/folio.ts';
import { lruBatch } from '../mm/folio_add_lru.ts';
import { ALL_LISTS, lruHead, lruLockWord, lruSize, lruTail } from '../mm/lru.ts';
import { lruOn, memcgUsageWord } from '../mm/memcg.ts';
import { sweepGenerations, sweepGenOfFolio } from './lru_gen.ts';
import type { SweepState } from './sweep_state.ts';

export function sweepLru(state: SweepState): void {
  const { m } = state;
  if (m.size.frames === 0) return;
  const places = new Uint8Array(m.size.frames);
  for (let memcg = 0; memcg < MEMCGS_MAX; memcg++) {
    for (let list = 0; list < ALL_LISTS; list++) sweepList(state, places, memcg, list);
    sweepGenerations(state, memcg);
    if (m.words[lruLockWord(m, memcg)] !== 0) state.report('Q10', `the lock of the lists of cgroup ${memcg} is held`);
  }
  for (let id = 0; id < m.size.cpus; id++) {
    for (const pfn of lruBatch(m, id)) {
      places[pfn] = (places[pfn] as number) + 1;
      if ((flagsOf(state, pfn) & PG_lru) !== 0)
        state.report('I33', `frame ${pfn} is in the batch of CPU ${id}, but says that it is on a list`);
    }
  }
  const charged = new Int32Array(MEMCGS_MAX);
  for (let pfn = 1; pfn < m.size.frames; pfn++) sweepFolio(state, places, charged, pfn as Pfn);
  for (let memcg = 1; memcg < MEMCGS_MAX; memcg++) {
    const usage = m.words[memcgUsageWord(m, memcg)] as number;
    if (usage !== charged[memcg]) state.report('Q14', `cgroup ${memcg} counts ${usage} pages, but ${charged[memcg]} are charged to it`);
  }
}

const flagsOf = ({ m }: SweepState, pfn: Pfn): number => m.words[folioFlagsWord(m, pfn)] as number;

function sweepList(state: SweepState, places: Uint8Array, memcg: number, list: number): void {
  const { m } = state;
  const name = `list ${list} of cgroup ${memcg}`;
  let length = 0;
  let before: Pfn = NO_FOLIO;
  for (let pfn = lruHead(m, memcg, list); pfn !== NO_FOLIO; pfn = lruNext(m, pfn)) {
    if (pfn < 0 || pfn >= m.size.frames) {
      state.report('I33', `${name} leads to frame ${pfn}, which does not exist`);
      return;
    }
    length++;
    places[pfn] = (places[pfn] as number) + 1;
    if (lruPrev(m, pfn) !== before) {
      state.report('I33', `${name}: frame ${pfn} does not lead back to frame ${before}`);
      return;
    }
    if ((flagsOf(state, pfn) & PG_lru) === 0 || lruListOf(m, pfn) !== list || folio_memcg(m, pfn) !== memcg)
      state.report('I33', `${name} has frame ${pfn}, which says that it is elsewhere`);
    before = pfn;
  }
  if (lruTail(m, memcg, list) !== before) state.report('I33', `${name} does not end with the frame that it says`);
  if (lruSize(m, memcg, list) !== length) state.report('I33', `${name} counts ${lruSize(m, memcg, list)} pages, but has ${length}`);
}

function sweepFolio(state: SweepState, places: Uint8Array, charged: Int32Array, pfn: Pfn): void {
  const { m, cpu } = state;
  if ((folioGeneration(m, pfn) & 1) === 0) {
    if (places[pfn] !== 0) state.report('I33', `frame ${pfn} is free, but on a list`);
    return;
  }
  const memcg = folio_memcg(m, pfn);
  charged[memcg] = (charged[memcg] as number) + 1;
  const flags = flagsOf(state, pfn);
  const mapping = folioMapping(cpu, pfn);
  const file = folioFile(mapping);
  const evictable = (mapping & 1) !== 0 || (file !== 0 && mappingEvictable(m, file));
  const wanted = lruOn(m) && evictable && (flags & (PG_device | PG_hwpoison)) === 0;
  if (wanted && places[pfn] !== 1) state.report('I33', `frame ${pfn} can be reclaimed, but is on ${places[pfn]} lists`);
  sweepGenOfFolio(state, pfn, places[pfn] as number);
  if (!wanted && (places[pfn] as number) > 1) state.report('I33', `frame ${pfn} is on ${places[pfn]} lists`);
  if (places[pfn] === 0 && (flags & PG_lru) !== 0) state.report('I33', `frame ${pfn} says that it is on a list, but it is on none`);
}

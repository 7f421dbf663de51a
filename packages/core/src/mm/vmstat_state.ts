/**
 * How many pages are in which state, under the names of /proc/vmstat, for reports. A glance: exact on an idle machine.
 * @kernel mm/vmstat.c vmstat_text, include/linux/mmzone.h enum node_stat_item
 * @fidelity reduced: the states that the model has
 * Next: mm/vmstat.ts has those that every CPU adds to
 */
import { MEMCGS_MAX } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import {
  genList,
  isActiveList,
  isFileList,
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  lruSize,
} from './lru.ts';
import { GEN_ANON, GEN_FILE, lru_gen_is_active, MAX_NR_GENS } from './lru_gen.ts';
import { nr_free_pages } from './page_alloc.ts';
import { nr_file_dirty, nr_writeback } from './vmstat.ts';

export const VMSTAT_STATES = [
  'nr_free_pages',
  'nr_inactive_anon',
  'nr_active_anon',
  'nr_inactive_file',
  'nr_active_file',
  'nr_dirty',
  'nr_writeback',
] as const;
export type VmstatState = (typeof VMSTAT_STATES)[number];

/** The two youngest generations count as active. */
function inGenerations(m: SharedMemory, memcg: number, list: number): number {
  let pages = 0;
  for (let gen = 0; gen < MAX_NR_GENS; gen++) {
    if (lru_gen_is_active(m, memcg, gen) === isActiveList(list))
      pages += lruSize(m, memcg, genList(gen, isFileList(list) ? GEN_FILE : GEN_ANON));
  }
  return pages;
}

/** @returns pages by state */
export function readVmstatStates(m: SharedMemory): Record<VmstatState, number> {
  const onLists = (list: number): number => {
    let pages = 0;
    for (let memcg = 0; m.size.frames > 0 && memcg < MEMCGS_MAX; memcg++) pages += lruSize(m, memcg, list) + inGenerations(m, memcg, list);
    return pages;
  };
  return {
    nr_free_pages: nr_free_pages(m),
    nr_inactive_anon: onLists(LRU_INACTIVE_ANON),
    nr_active_anon: onLists(LRU_ACTIVE_ANON),
    nr_inactive_file: onLists(LRU_INACTIVE_FILE),
    nr_active_file: onLists(LRU_ACTIVE_FILE),
    nr_dirty: nr_file_dirty(m),
    nr_writeback: nr_writeback(m),
  };
}

/**
 * Shrinking the lists of one memory cgroup: pages leave the inactive lists at their old end; those that were not used since go. When the inactive list
 * is short, the old end of the active one goes there, and gets a second chance.
 *
 *      young end                         old end
 *      +------------- active -----------------+
 *      |                                      | shrink_active_list
 *      |                                      v
 *      |   +------------- inactive --------------+ shrink_inactive_list ---> freed
 *      +---+ used twice                           |
 *          +------------ used once ---------------+
 *
 * @kernel mm/vmscan.c shrink_lruvec(), shrink_inactive_list(), shrink_active_list(), isolate_lru_folios(), get_scan_count(), inactive_is_low()
 * @fidelity reduced: files and anonymous pages are balanced by a fixed proportion (vm.swappiness 60), not by what it costs to bring them back
 * Next: reclaim/try_to_free_pages.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { folioClear, folioSet, lruPrev, NO_FOLIO, PG_active, PG_workingset } from '../mm/folio.ts';
import { lru_add_drain } from '../mm/folio_add_lru.ts';
import { folio_trylock, folio_unlock } from '../mm/folio_lock.ts';
import {
  isActiveList,
  isFileList,
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_LISTS,
  lruLockWord,
  lruSize,
  lruTail,
} from '../mm/lru.ts';
import { lru_gen_enabled } from '../mm/lru_gen.ts';
import { get_nr_swap_pages } from '../mm/swapfile.ts';
import { VM_EXEC } from '../mm/vm_flags.ts';
import { count_vm_event, count_vm_events, PGDEACTIVATE, PGREFILL } from '../trace/counters.ts';
import { folio_referenced } from './folio_referenced.ts';
import { lru_gen_shrink_lruvec } from './lru_gen_evict.ts';
import { countScan, isolate, type ScanControl, SWAP_CLUSTER_MAX } from './scan_control.ts';
import { putbackFolio, shrink_folio_list } from './shrink_folio_list.ts';

/** @kernel vm.swappiness */
const SWAPPINESS = 60;
const SWAPPINESS_ALL = 200;

/** Scans the lists of a cgroup for this priority, or until enough is freed. @locks as shrink_folio_list() */
export function shrink_lruvec(cpu: Cpu, memcg: number, sc: ScanControl): void {
  if (lru_gen_enabled(cpu.memory)) {
    lru_gen_shrink_lruvec(cpu, memcg, sc);
    return;
  }
  const left = get_scan_count(cpu, memcg, sc);
  while (left.some((count, list) => count > 0 && (list === LRU_INACTIVE_ANON || list === LRU_INACTIVE_FILE || list === LRU_ACTIVE_FILE))) {
    for (let list = 0; list < LRU_LISTS; list++) {
      const nr = Math.min(left[list] as number, SWAP_CLUSTER_MAX);
      if (nr === 0) continue;
      left[list] = (left[list] as number) - nr;
      shrink_list(cpu, memcg, list, nr, sc);
    }
    if (sc.reclaimed >= sc.wanted) return;
  }
  if (get_nr_swap_pages(cpu.memory) > 0 && inactive_is_low(cpu, memcg, LRU_INACTIVE_ANON))
    shrink_active_list(cpu, memcg, LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX);
}

function shrink_list(cpu: Cpu, memcg: number, list: number, nr: number, sc: ScanControl): void {
  if (!isActiveList(list)) shrink_inactive_list(cpu, memcg, list, nr, sc);
  else if (inactive_is_low(cpu, memcg, list - 1)) shrink_active_list(cpu, memcg, list, nr);
}

/** Pages to look at, by list. */
function get_scan_count(cpu: Cpu, memcg: number, sc: ScanControl): number[] {
  const m = cpu.memory;
  const canSwap = get_nr_swap_pages(m) > 0;
  const trimCache = lruSize(m, memcg, LRU_INACTIVE_FILE) >> sc.priority > 0 && !inactive_is_low(cpu, memcg, LRU_INACTIVE_FILE);
  return Array.from({ length: LRU_LISTS }, (_, list) => {
    const scan = lruSize(m, memcg, list) >> sc.priority;
    if (!canSwap || trimCache) return isFileList(list) ? scan : 0;
    if (sc.priority === 0) return scan;
    return Math.floor((scan * (isFileList(list) ? SWAPPINESS_ALL - SWAPPINESS : SWAPPINESS)) / SWAPPINESS_ALL);
  });
}

/** With less than a gigabyte the two lists are to be of one size. */
function inactive_is_low({ memory: m }: Cpu, memcg: number, inactive: number): boolean {
  return lruSize(m, memcg, inactive) < lruSize(m, memcg, inactive + 1);
}

/** Takes pages at the old end of a list for the caller, each with a reference. */
function isolate_lru_folios(cpu: Cpu, memcg: number, list: number, nr: number): { taken: Pfn[]; scanned: number } {
  const m = cpu.memory;
  const taken: Pfn[] = [];
  let scanned = 0;
  lru_add_drain(cpu);
  spin_lock(cpu, lruLockWord(m, memcg));
  for (let pfn = lruTail(m, memcg, list); pfn !== NO_FOLIO && scanned < nr; scanned++) {
    const next = lruPrev(m, pfn);
    if (isolate(cpu, pfn)) taken.push(pfn);
    pfn = next;
  }
  spin_unlock(cpu, lruLockWord(m, memcg));
  return { taken, scanned };
}

/** @locks as shrink_folio_list() */
function shrink_inactive_list(cpu: Cpu, memcg: number, list: number, nr: number, sc: ScanControl): void {
  const { taken, scanned } = isolate_lru_folios(cpu, memcg, list, nr);
  const freed = taken.length === 0 ? 0 : shrink_folio_list(cpu, taken, 'by age');
  countScan(cpu, sc, { file: isFileList(list), scanned, freed });
}

/** Programs that run stay; everything else gets its second chance on the inactive list. @locks as shrink_folio_list() */
function shrink_active_list(cpu: Cpu, memcg: number, list: number, nr: number): void {
  const { taken, scanned } = isolate_lru_folios(cpu, memcg, list, nr);
  count_vm_events(cpu, PGREFILL, scanned);
  for (const pfn of taken) {
    if (!(list === LRU_ACTIVE_FILE && isProgram(cpu, pfn))) {
      folioClear(cpu, pfn, PG_active); // Alone: the folio is isolated.
      folioSet(cpu, pfn, PG_workingset); // Pairs with: workingset_eviction().
      count_vm_event(cpu, PGDEACTIVATE);
    }
    putbackFolio(cpu, pfn);
  }
}

/** Takes the marks of use away, and says whether the page is one of a program that was run. */
function isProgram(cpu: Cpu, pfn: Pfn): boolean {
  if (!folio_trylock(cpu, pfn)) return false;
  const { entries, vmFlags } = folio_referenced(cpu, pfn);
  folio_unlock(cpu, pfn);
  return entries > 0 && (vmFlags & VM_EXEC) !== 0;
}

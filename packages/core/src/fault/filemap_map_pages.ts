/**
 * Fault-around: before a file is asked for a page, whatever is resident around it is mapped, so that the next faults do not happen. Nothing here
 * waits: a page that is locked, not up to date or marked for readahead is left to a fault of its own.
 *
 *   pages        . . . . | a b c d e F g h i j k l m n o p | . . . .       F: the page that faulted
 *                        start                           end               an aligned window, clipped to the area, the page table and the file
 *
 * @kernel mm/memory.c should_fault_around(), do_fault_around(); mm/filemap.c filemap_map_pages(), next_uptodate_folio()
 * @fidelity reduced: single pages; the table is made before the first page is mapped, not taken from a reserve
 * Next: fault/finish_fault.ts
 */
import type { MappingId, Pfn, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { hasMapPages, i_size_read, pagesRoot, raMmapMissWord } from '../mm/address_space.ts';
import { filemap_get_folio, folioIsOf } from '../mm/filemap.ts';
import { folio_get, folio_index, folioTest, NO_FOLIO, PG_hwpoison, PG_readahead, PG_uptodate, PG_workingset } from '../mm/folio.ts';
import { folio_test_locked, folio_trylock, folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { PTRS_PER_TABLE, ptep_get, pteWord } from '../mm/page_table.ts';
import { pte_none } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { xa_is_value } from '../mm/swap_entry.ts';
import { vm_file, vm_flags, vm_pgoff, vma_pages } from '../mm/vm_area_struct.ts';
import { VM_UFFD_MINOR, VM_UFFD_WP } from '../mm/vm_flags.ts';
import { faultAroundPages } from '../mm/vm_sysctl.ts';
import { xa_load } from '../mm/xarray.ts';
import { rcu_read_lock, rcu_read_unlock } from '../sched/rcu_state.ts';
import { count_vm_event, FAULT_AROUND_MAPPED, FILEMAP_MAP_PAGES } from '../trace/counters.ts';
import { TRACE_MM_FILEMAP_MAP_PAGES } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';
import { ensureTable, set_pte_range } from './finish_fault.ts';
import { countHit } from './mmap_readahead.ts';
import { liveVma, VM_FAULT_NOPAGE, VM_FAULT_OOM, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock */
export function should_fault_around(cpu: Cpu, vmf: VmFault): boolean {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  if (faultAroundPages(m) <= 1 || !hasMapPages(m, vm_file(m, vma))) return false;
  // Write-protection and minor faults are reported page by page. Missing ones are not in the page cache, so none is passed over.
  return (vm_flags(m, vma) & (VM_UFFD_WP | VM_UFFD_MINOR)) === 0;
}

/** Maps what is resident around the page. @locks in and out: the fault lock. Never sleeps. @returns NOPAGE when the page itself was mapped, 0, or OOM */
export function do_fault_around(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  const window = faultAroundPages(m);
  const place = vmf.vpn & (PTRS_PER_TABLE - 1);
  const inArea = vmf.pgoff - vm_pgoff(m, vma);
  // Places in the page table, clipped to the area; aligned by address, so by index only if the area is.
  const from = Math.max(place - (place % window), place - Math.min(place, inArea));
  const until = Math.min(from + window, PTRS_PER_TABLE, place + vma_pages(m, vma) - inArea);
  return filemap_map_pages(cpu, vmf, vmf.pgoff - (place - from), vmf.pgoff + (until - 1 - place));
}

/** @param start, end first and last index in the file, within one page table and the area. @locks as do_fault_around() */
export function filemap_map_pages(cpu: Cpu, vmf: VmFault, start: number, end: number): VmFaultBits {
  const m = cpu.memory;
  const file = vm_file(m, liveVma(vmf));
  rcu_read_lock(cpu);
  let pfn = next_uptodate_folio(cpu, file, start, end);
  if (pfn === NO_FOLIO) {
    rcu_read_unlock(cpu);
    return 0;
  }
  if (!ensureTable(cpu, vmf)) {
    release(cpu, pfn);
    rcu_read_unlock(cpu);
    return VM_FAULT_OOM;
  }
  const last = Math.min(end, i_size_read(cpu, file) - 1);
  let result = 0;
  let hits = 0;
  pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  while (pfn !== NO_FOLIO) {
    const index = folio_index(m, pfn);
    if (!folioTest(cpu, pfn, PG_workingset)) hits++;
    result |= mapOne(cpu, vmf, pfn, index);
    release(cpu, pfn);
    pfn = next_uptodate_folio(cpu, file, index + 1, last);
  }
  pte_unmap_unlock(cpu, vmf.table);
  trace(cpu, TRACE_MM_FILEMAP_MAP_PAGES, file, start, last);
  count_vm_event(cpu, FILEMAP_MAP_PAGES);
  rcu_read_unlock(cpu);
  countHit(cpu, raMmapMissWord(m, file), hits);
  return result;
}

/** @locks in: the page-table lock, the folio lock */
function mapOne(cpu: Cpu, vmf: VmFault, pfn: Pfn, index: number): VmFaultBits {
  if (folioTest(cpu, pfn, PG_hwpoison)) return 0;
  const vpn = (vmf.vpn + index - vmf.pgoff) as Vpn;
  const entry = pteWord(cpu.memory, vmf.table, vpn);
  if (!pte_none(ptep_get(cpu, entry))) return 0; // R13
  folio_get(cpu, pfn); // The entry's.
  set_pte_range(cpu, vmf, entry, vpn, pfn, false);
  count_vm_event(cpu, FAULT_AROUND_MAPPED);
  return vpn === vmf.vpn ? VM_FAULT_NOPAGE : 0;
}

/** The next folio of [index, last] that can be mapped at once, locked and with a reference, or NO_FOLIO. */
function next_uptodate_folio(cpu: Cpu, file: MappingId, index: number, last: number): Pfn {
  for (let at = index; at <= last; at++) {
    const pfn = takeUptodate(cpu, file, at);
    if (pfn !== NO_FOLIO) return pfn;
  }
  return NO_FOLIO;
}

/** The page's folio, locked and with a reference, if it can be mapped. Looks before it locks. */
function takeUptodate(cpu: Cpu, file: MappingId, index: number): Pfn {
  const entry = xa_load(cpu, pagesRoot(cpu.memory, file), index);
  if (entry === 0 || xa_is_value(entry) || folio_test_locked(cpu, entry as Pfn)) return NO_FOLIO;
  const pfn = filemap_get_folio(cpu, file, index);
  if (pfn === NO_FOLIO) return NO_FOLIO;
  if (folioTest(cpu, pfn, PG_uptodate) && !folioTest(cpu, pfn, PG_readahead) && folio_trylock(cpu, pfn)) {
    // R14, R16, R17, now that nothing of it can change.
    if (folioIsOf(cpu, pfn, file, index) && folioTest(cpu, pfn, PG_uptodate) && index < i_size_read(cpu, file)) return pfn;
    folio_unlock(cpu, pfn);
  }
  folio_put(cpu, pfn);
  return NO_FOLIO;
}

/** Gives back what next_uptodate_folio() took. */
function release(cpu: Cpu, pfn: Pfn): void {
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
}

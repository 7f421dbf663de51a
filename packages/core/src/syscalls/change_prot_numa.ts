/**
 * Making NUMA hints: the pages of a range become unreachable, so that their next users tell, by faulting, where they run.
 * @kernel kernel/sched/fair.c task_numa_work(); mm/mempolicy.c change_prot_numa(); mm/mprotect.c change_pte_range() with MM_CP_PROT_NUMA
 * @fidelity reduced: called by a program instead of by the task's own ageing; the zero page and pages shared with relatives are left out
 * Next: fault/do_numa_page.ts
 */
import type { TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE, NO_VMA } from '../base/brand.ts';
import { EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { folio_mapcount } from '../mm/folio.ts';
import { mas_find } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import { mmap_read_lock_killable, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { findPteTable, PMD_PAGES, ptep_get, ptep_get_and_clear, pteWord, set_pte_at } from '../mm/page_table.ts';
import { PTE_PROTNONE, pte_modify, pte_pfn, pte_present, pte_protnone, pte_special } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { flush_tlb_range } from '../mm/tlb.ts';
import { vm_end, vm_flags, vm_start } from '../mm/vm_area_struct.ts';
import { is_cow_mapping, VM_ACCESS_FLAGS } from '../mm/vm_flags.ts';
import { count_vm_event, NUMA_PTE_UPDATES } from '../trace/counters.ts';

/** Hints for the mapped pages of [start, start + len). @locks none in, none out. Takes mmap_lock for reading; may sleep. @returns their number, or EINTR */
export function taskNumaWork(cpu: Cpu, start: number, len: number): number {
  const m = cpu.memory;
  const mm = cpu.mm;
  const end = start + len;
  if (mmap_read_lock_killable(cpu, mm) !== 0) return EINTR;
  let changed = 0;
  for (let at = start; at < end; ) {
    const vma = mas_find(cpu, mmTree(m, mm), at as Vpn);
    if (vma === NO_VMA || vm_start(m, vma) >= end) break;
    const first = Math.max(at, vm_start(m, vma)) as Vpn;
    const last = Math.min(vm_end(m, vma), end) as Vpn;
    if ((vm_flags(m, vma) & VM_ACCESS_FLAGS) !== 0) changed += change_prot_numa(cpu, vma, first, last);
    at = last;
  }
  mmap_read_unlock(cpu, mm);
  return changed;
}

/** @locks in: mmap read. Faults may go on in the area: what they see changes under the page-table lock. @returns entries changed */
function change_prot_numa(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): number {
  let changed = 0;
  for (let vpn = start as number; vpn < end; ) {
    const tableEnd = Math.min((Math.floor(vpn / PMD_PAGES) + 1) * PMD_PAGES, end);
    const table = findPteTable(cpu, cpu.mm, vpn as Vpn);
    if (table !== NO_TABLE) changed += changeTable(cpu, vma, table, vpn, tableEnd);
    vpn = tableEnd;
  }
  if (changed > 0) flush_tlb_range(cpu, cpu.mm, start, end);
  return changed;
}

function changeTable(cpu: Cpu, vma: VmaId, table: TableId, start: number, end: number): number {
  let changed = 0;
  pte_offset_map_lock(cpu, table, start as Vpn);
  for (let vpn = start; vpn < end; vpn++) {
    const entry = pteWord(cpu.memory, table, vpn as Vpn);
    if (prot_numa_skip(cpu, vma, entry)) continue;
    set_pte_at(cpu, entry, pte_modify(ptep_get_and_clear(cpu, entry), PTE_PROTNONE));
    count_vm_event(cpu, NUMA_PTE_UPDATES);
    changed++;
  }
  pte_unmap_unlock(cpu, table);
  return changed;
}

function prot_numa_skip(cpu: Cpu, vma: VmaId, entry: Word): boolean {
  const pte = ptep_get(cpu, entry);
  if (!pte_present(pte) || pte_protnone(pte) || pte_special(pte)) return true;
  return is_cow_mapping(vm_flags(cpu.memory, vma)) && folio_mapcount(cpu, pte_pfn(pte)) > 1;
}

/**
 * Guard pages without areas of their own: marks in the page tables that make every access end with a signal.
 *
 *   installing CPU                            faulting CPU
 *   1 zaps the range
 *                                             2 maps a page into it
 *   3 finds the page where it wants its mark  <- decides: zaps again
 *
 * @kernel mm/madvise.c madvise_guard_install(), madvise_guard_remove()
 * @fidelity faithful, but after MAX_MADVISE_GUARD_RETRIES it goes on trying, where the kernel restarts the system call
 * Next: fault/handle_pte_marker.ts
 */
import type { TableId, VmaId, Vpn } from '../base/brand.ts';
import { NO_ANON_VMA, NO_TABLE } from '../base/brand.ts';
import { EINVAL, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { __anon_vma_prepare } from '../mm/anon_vma.ts';
import { findPteTable, pte_alloc, ptep_get, ptep_get_and_clear, set_pte_at } from '../mm/page_table.ts';
import { pte_none } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { is_pte_marker, make_pte_marker, PTE_MARKER_GUARD, pte_marker_get, pte_to_swp_entry } from '../mm/swap_entry.ts';
import { vm_flags, vm_mm, vma_anon_vma } from '../mm/vm_area_struct.ts';
import { VM_LOCKED, VM_SPECIAL } from '../mm/vm_flags.ts';
import { zap_page_range_single } from '../mm/zap.ts';
import { rcu_note_quiescent } from '../sched/rcu_state.ts';

const isGuard = (pte: number): boolean =>
  is_pte_marker(pte as never) && (pte_marker_get(pte_to_swp_entry(pte as never)) & PTE_MARKER_GUARD) !== 0;

/** @locks in: mmap read. @returns 0, EINVAL for an area that cannot have guard pages, ENOMEM */
export function madvise_guard_install(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): number {
  const m = cpu.memory;
  if ((vm_flags(m, vma) & (VM_LOCKED | VM_SPECIAL)) !== 0) return EINVAL;
  // Page tables with something in them: fork must copy them, and looks at this to know.
  if (vma_anon_vma(m, vma) === NO_ANON_VMA && !__anon_vma_prepare(cpu, vma)) return ENOMEM;
  for (;;) {
    const outcome = installAll(cpu, vma, start, end);
    if (outcome !== 'occupied') return outcome === 'done' ? 0 : ENOMEM;
    zap_page_range_single(cpu, vma, start, end);
    rcu_note_quiescent(cpu);
  }
}

/** Marks the pages from the first on, until one of them is mapped. */
function installAll(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): 'done' | 'occupied' | 'no memory' {
  const mm = vm_mm(cpu.memory, vma);
  for (let vpn = start as number; vpn < end; vpn++) {
    const table: TableId = pte_alloc(cpu, mm, vpn as Vpn);
    if (table === NO_TABLE) return 'no memory';
    const entry = pte_offset_map_lock(cpu, table, vpn as Vpn);
    const pte = ptep_get(cpu, entry);
    const free = pte_none(pte) || isGuard(pte);
    if (pte_none(pte)) set_pte_at(cpu, entry, make_pte_marker(PTE_MARKER_GUARD));
    pte_unmap_unlock(cpu, table);
    if (!free) return 'occupied';
  }
  return 'done';
}

/** @locks in: mmap read. @returns 0 or EINVAL */
export function madvise_guard_remove(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): number {
  const m = cpu.memory;
  if ((vm_flags(m, vma) & VM_SPECIAL) !== 0) return EINVAL;
  for (let vpn = start as number; vpn < end; vpn++) {
    const table = findPteTable(cpu, vm_mm(m, vma), vpn as Vpn);
    if (table === NO_TABLE) continue;
    const entry = pte_offset_map_lock(cpu, table, vpn as Vpn);
    if (isGuard(ptep_get(cpu, entry))) ptep_get_and_clear(cpu, entry);
    pte_unmap_unlock(cpu, table);
  }
  return 0;
}

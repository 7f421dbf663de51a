/**
 * May an entry be made writable at once, without a fault to find out whether the page is shared with relatives, or to tell
 * its file or a handler of userfaultfd? A dirty entry of a shared page has had that fault, and write-back would have made it clean.
 * @kernel mm/mprotect.c can_change_pte_writable()
 * @fidelity reduced: no soft-dirty
 * Next: syscalls/change_protection.ts, fault/do_numa_page.ts
 */
import type { Pte, VmaId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folio_test_anon, folioTest, PG_anon_exclusive } from './folio.ts';
import { pte_dirty, pte_pfn, pte_special } from './pte.ts';
import { userfaultfd_pte_wp } from './userfaultfd_k.ts';
import { vm_flags } from './vm_area_struct.ts';
import { VM_SHARED } from './vm_flags.ts';

/** @param vma may be written. @param pte present. @locks in: the page-table lock */
export function can_change_pte_writable(cpu: Cpu, vma: VmaId, pte: Pte): boolean {
  if (pte_special(pte) || userfaultfd_pte_wp(cpu.memory, vma, pte)) return false;
  if ((vm_flags(cpu.memory, vma) & VM_SHARED) !== 0) return pte_dirty(pte);
  const pfn = pte_pfn(pte);
  return folio_test_anon(cpu, pfn) && folioTest(cpu, pfn, PG_anon_exclusive);
}

/**
 * Was a page used since somebody asked last? The hardware leaves a mark in every entry through which it goes (young); they are found by the reverse
 * map, and taken away, so that the next answer is about the time from now on. No TLB is flushed: a translation that is cached leaves no mark until it is
 * forgotten, so a page that is in use all the time may look unused, as on x86.
 * @kernel mm/rmap.c folio_referenced(), folio_referenced_one(); mm/vmscan.c folio_check_references()
 * @fidelity reduced: waits for the rmap locks, where the kernel gives up
 * Next: reclaim/shrink_folio_list.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folio_mapcount, folio_test_anon, folioClear, folioSet, PG_referenced, PG_swapbacked } from '../mm/folio.ts';
import { ptep_get, ptep_test_and_clear_young } from '../mm/page_table.ts';
import { pte_pfn, pte_present, pte_special } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import type { RmapHit } from '../mm/rmap.ts';
import { rmapWalkAnonLocked } from '../mm/rmap_anon.ts';
import { rmap_walk_file } from '../mm/rmap_file.ts';
import { vm_flags } from '../mm/vm_area_struct.ts';
import { VM_EXEC, VM_LOCKED } from '../mm/vm_flags.ts';

export interface Referenced {
  /** Entries that were young. */
  readonly entries: number;
  /** Flags of the areas of those entries, and VM_LOCKED if any area has it. */
  readonly vmFlags: number;
}
const NOT: Referenced = { entries: 0, vmFlags: 0 };

/** @locks in: the folio's. Takes the anon_vma or i_mmap lock and page-table locks; may sleep */
export function folio_referenced(cpu: Cpu, pfn: Pfn): Referenced {
  if (folio_mapcount(cpu, pfn) === 0) return NOT;
  let entries = 0;
  let vmFlags = 0;
  const look = (hit: RmapHit): boolean => {
    const flags = vm_flags(cpu.memory, hit.vma);
    if ((flags & VM_LOCKED) !== 0) {
      vmFlags |= VM_LOCKED;
      return false;
    }
    if (ptep_test_and_clear_young(cpu, hit.entry)) {
      entries++;
      vmFlags |= flags;
    }
    return true;
  };
  if (folio_test_anon(cpu, pfn)) rmapWalkAnonLocked(cpu, pfn, look);
  else rmap_walk_file(cpu, pfn, (hit) => lookLocked(cpu, pfn, hit, look));
  return { entries, vmFlags };
}

function lookLocked(cpu: Cpu, pfn: Pfn, hit: RmapHit, look: (hit: RmapHit) => boolean): boolean {
  const entry = pte_offset_map_lock(cpu, hit.table, hit.vpn);
  const pte = ptep_get(cpu, entry);
  const more = !pte_present(pte) || pte_special(pte) || pte_pfn(pte) !== pfn || look(hit);
  pte_unmap_unlock(cpu, hit.table);
  return more;
}

/** What to do with a page of an inactive list. */
export type References = 'reclaim' | 'keep' | 'activate';

/** A page must be seen in use twice, or by two, to become active. @locks as folio_referenced() */
export function folio_check_references(cpu: Cpu, pfn: Pfn): References {
  const { entries, vmFlags } = folio_referenced(cpu, pfn);
  const before = folioClear(cpu, pfn, PG_referenced); // Alone: a hint.
  if ((vmFlags & VM_LOCKED) !== 0) return 'activate';
  if (entries === 0) return 'reclaim';
  folioSet(cpu, pfn, PG_referenced);
  if ((before & PG_referenced) !== 0 || entries > 1) return 'activate';
  return (vmFlags & VM_EXEC) !== 0 && (before & PG_swapbacked) === 0 ? 'activate' : 'keep';
}

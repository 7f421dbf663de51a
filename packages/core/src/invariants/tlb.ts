/**
 * I25: no CPU would use a translation that the page tables do not allow: that is how a write gets lost or reaches somebody else's page.
 * Next: invariants/caches.ts
 */
import type { CpuId } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import { findPteTable, ptep_get, pteWord } from '../mm/page_table.ts';
import { PTE_DIRTY, PTE_NONE, PTE_PRESENT, PTE_RW, pte_pfn } from '../mm/pte.ts';
import { type CachedTranslation, cachedTranslations } from '../mm/tlb.ts';
import { MM_CACHE } from '../slab/caches.ts';
import { isAllocated } from '../slab/kmem_cache.ts';
import type { SweepState } from './sweep_state.ts';

export function sweepTlbs(state: SweepState): void {
  for (let id = 0; id < state.m.size.cpus; id++) {
    for (const cached of cachedTranslations(state.m, id as CpuId)) sweepTranslation(state, id, cached);
  }
}

/** A dirty bit that only the cache has would be lost as well: the next write does not walk. */
const GRANTED = PTE_PRESENT | PTE_RW | PTE_DIRTY;

function sweepTranslation(state: SweepState, id: number, { mm, vpn, pte }: CachedTranslation): void {
  const { cpu, m } = state;
  const where = `CPU ${id}: the translation ${pte} of page ${vpn} of mm ${mm}`;
  if (!isAllocated(m, MM_CACHE, mm)) {
    state.report('I25', `${where} is still cached, but the address space is gone`);
    return;
  }
  const table = findPteTable(cpu, mm, vpn);
  const now = table === NO_TABLE ? PTE_NONE : ptep_get(cpu, pteWord(m, table, vpn));
  const allowed = (pte & GRANTED & ~now) === 0 && pte_pfn(pte) === pte_pfn(now);
  if (!allowed) state.report('I25', `${where} is still cached, but the entry is ${now} now`);
}

/**
 * I24, Q07: the reverse map finds every anonymous entry, and the counts of anon_vmas and files balance.
 * Every entry is found if its area is on the list of its folio's anon_vma and the folio's index gives back its page; that is what
 * rmap_walk_anon() computes, and looking at it from the entry needs no walk per folio.
 * Next: invariants/tlb.ts
 */
import type { AnonVmaId, AvcId, MappingId, Pfn, VmaId } from '../base/brand.ts';
import { NO_ANON_VMA, NO_AVC, NO_MAPPING, NO_VMA } from '../base/brand.ts';
import { f_countWord, i_mmap_count, i_mmap_first } from '../mm/address_space.ts';
import {
  anonVmaFirst,
  anonVmaNext,
  anonVmaParent,
  anonVmaRefcount,
  anonVmaRoot,
  avcAnonVma,
  avcNextOfVma,
  avcVma,
  num_active_vmas,
  num_children,
} from '../mm/anon_vma.ts';
import { folio_index, folioAnonVma, folioMapping, NO_FOLIO } from '../mm/folio.ts';
import { rmapFolio } from '../mm/rmap_folio.ts';
import {
  linear_page_index,
  vm_file,
  vma_anon_vma,
  vma_avc_head,
  vma_avc_tail,
  vma_shared_next,
  vma_shared_prev,
} from '../mm/vm_area_struct.ts';
import { ANON_VMA_CACHE, AVC_CACHE, MAPPING_CACHE } from '../slab/caches.ts';
import { cacheSlots, isAllocated, nextAllocated } from '../slab/kmem_cache.ts';
import { entryName, type SweepState } from './sweep_state.ts';

/** What the areas and their links say about one anon_vma. */
interface AnonVmaUses {
  links: number;
  active: number;
  children: number;
  /** Relatives that keep the root. */
  family: number;
}

/** Chains of areas: the anon_vmas on whose lists each is. */
type Chains = Map<VmaId, AnonVmaId[]>;

export function sweepRmap(state: SweepState): void {
  const uses = new Map<AnonVmaId, AnonVmaUses>();
  for (let slot = nextAllocated(state.m, ANON_VMA_CACHE, 0); slot !== 0; slot = nextAllocated(state.m, ANON_VMA_CACHE, slot)) {
    uses.set(slot as AnonVmaId, { links: 0, active: 0, children: 0, family: 0 });
  }
  const chains = sweepLists(state, uses);
  const files = new Map<MappingId, number>();
  for (const { areas } of state.spaces) {
    for (const { vma } of areas) {
      sweepChain(state, vma, chains, uses);
      files.set(vm_file(state.m, vma), (files.get(vm_file(state.m, vma)) ?? 0) + 1);
    }
  }
  sweepAnonVmas(state, uses);
  for (const entry of state.entries) {
    const pfn = rmapFolio(entry.pte);
    if (entry.vma !== NO_VMA && pfn !== NO_FOLIO && pfn < state.m.size.frames) sweepEntry(state, chains, entry, pfn);
  }
  sweepFiles(state, files);
}

/** The list of every anon_vma: its links are allocated, and name it. */
function sweepLists(state: SweepState, uses: Map<AnonVmaId, AnonVmaUses>): Chains {
  const { m } = state;
  const chains: Chains = new Map();
  for (const [id, counts] of uses) {
    for (let avc: AvcId = anonVmaFirst(m, id); avc !== NO_AVC; avc = anonVmaNext(m, avc)) {
      if (state.reach(AVC_CACHE, avc) !== 'first' || avcAnonVma(m, avc) !== id) {
        state.report(
          'I24',
          `anon_vma ${id}: its list leads to link ${avc}, which is free, or in a list already, or names anon_vma ${avcAnonVma(m, avc)}`,
        );
        break;
      }
      counts.links++;
      const vma = avcVma(m, avc);
      const chain = chains.get(vma);
      if (chain === undefined) chains.set(vma, [id]);
      else if (chain.includes(id)) state.report('I24', `area ${vma} is on the list of anon_vma ${id} twice`);
      else chain.push(id);
    }
  }
  return chains;
}

/** The chain of an area and the lists of anon_vmas are two views of the same links. */
function sweepChain(state: SweepState, vma: VmaId, chains: Chains, uses: Map<AnonVmaId, AnonVmaUses>): void {
  const { m } = state;
  const listed = chains.get(vma) ?? [];
  let links = 0;
  let last: AvcId = NO_AVC;
  for (let avc = vma_avc_head(m, vma); avc !== NO_AVC && links <= listed.length; avc = avcNextOfVma(m, avc)) {
    links++;
    last = avc;
    if (avcVma(m, avc) !== vma || !listed.includes(avcAnonVma(m, avc))) {
      state.report('I24', `area ${vma}: its link ${avc} leads to anon_vma ${avcAnonVma(m, avc)}, whose list does not have the area`);
    }
  }
  if (links !== listed.length || last !== vma_avc_tail(m, vma))
    state.report('I24', `area ${vma} has ${links} links, but is on the lists of ${listed.length} anon_vmas`);
  const own = vma_anon_vma(m, vma);
  if (own === NO_ANON_VMA) {
    if (listed.length > 0) state.report('I24', `area ${vma} has links, but no anon_vma of its own`);
    return;
  }
  const counts = uses.get(own);
  if (counts !== undefined) counts.active++;
  if (!listed.includes(own)) state.report('I24', `area ${vma} uses anon_vma ${own}, but is not on its list`);
}

/** References: one for each link, and of a root one for each relative. Children: relatives directly below, a root itself included. */
function sweepAnonVmas(state: SweepState, uses: ReadonlyMap<AnonVmaId, AnonVmaUses>): void {
  const { m } = state;
  for (const [id] of uses) {
    const parent = uses.get(anonVmaParent(m, id));
    const root = uses.get(anonVmaRoot(m, id));
    if (parent === undefined || root === undefined)
      state.report('Q07', `anon_vma ${id}: its parent ${anonVmaParent(m, id)} or its root ${anonVmaRoot(m, id)} is gone`);
    if (parent !== undefined) parent.children++;
    if (root !== undefined && anonVmaRoot(m, id) !== id) root.family++;
  }
  for (const [id, { links, active, children, family }] of uses) {
    const compare = (name: string, noted: number, found: number): void => {
      if (noted !== found) state.report('Q07', `anon_vma ${id}: ${name} is ${noted}, but there are ${found}`);
    };
    if (links > 0) state.reach(ANON_VMA_CACHE, id);
    compare('refcount', anonVmaRefcount(m, id), links + family);
    compare('num_active_vmas', num_active_vmas(m, id), active);
    compare('num_children', num_children(m, id), children);
  }
}

function sweepEntry(state: SweepState, chains: Chains, entry: SweepState['entries'][number], pfn: Pfn): void {
  const { m } = state;
  const mapping = folioMapping(state.cpu, pfn);
  if ((mapping & 1) === 0) return;
  const anonVma = folioAnonVma(mapping);
  if (vma_anon_vma(m, entry.vma) === NO_ANON_VMA)
    state.report('I24', `${entryName(entry)} is anonymous, but area ${entry.vma} has no anon_vma`);
  const found = (chains.get(entry.vma)?.includes(anonVma) ?? false) && linear_page_index(m, entry.vma, entry.vpn) === folio_index(m, pfn);
  if (!found) state.report('I24', `${entryName(entry)} maps frame ${pfn}, but a reverse walk from anon_vma ${anonVma} does not find it`);
}

function sweepFiles(state: SweepState, areasOf: ReadonlyMap<MappingId, number>): void {
  const { m } = state;
  for (let slot = 1; slot <= cacheSlots(m, MAPPING_CACHE); slot++) {
    if (!isAllocated(m, MAPPING_CACHE, slot)) continue;
    const file = slot as MappingId;
    const areas = areasOf.get(file) ?? 0;
    let listed = 0;
    let previous: VmaId = NO_VMA;
    for (let vma = i_mmap_first(m, file); vma !== NO_VMA && listed <= areas; vma = vma_shared_next(m, vma)) {
      if (vm_file(m, vma) !== file || vma_shared_prev(m, vma) !== previous)
        state.report('Q07', `file ${file}: area ${vma} is in its list, but maps file ${vm_file(m, vma)} or is linked wrongly`);
      listed++;
      previous = vma;
    }
    if (listed !== areas || i_mmap_count(m, file) !== areas) {
      state.report('Q07', `file ${file}: ${areas} areas map it, but its list has ${listed} and its count is ${i_mmap_count(m, file)}`);
    }
    // One for each area and one for the owner, which shared anonymous memory does not have.
    const references = m.words[f_countWord(m, file)] as number;
    const owned = references - areas;
    if (references < 1 || owned < 0 || owned > 1)
      state.report('Q07', `file ${file}: ${areas} areas map it, but it has ${references} references`);
  }
  for (const file of areasOf.keys()) {
    if (file !== NO_MAPPING && !isAllocated(m, MAPPING_CACHE, file)) state.report('Q07', `file ${file} is mapped, but its slot is free`);
  }
}

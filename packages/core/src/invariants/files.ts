/**
 * Q13, I16, Q03: at rest as many pages are dirty as their files and the machine count, nothing is being written and nobody is throttled, no hole is
 * being punched; and neither the page cache nor an address space has a page beyond the end of its file.
 * Next: invariants/frames.ts
 */
import type { MappingId, Pfn } from '../base/brand.ts';
import { NO_MAPPING, NO_VMA } from '../base/brand.ts';
import { i_size, mapping_can_writeback, nrdirtyWord, pagesRoot, punchCountWord, punchWaiters } from '../mm/address_space.ts';
import { folioFlagsWord, PG_dirty } from '../mm/folio.ts';
import { xa_is_value } from '../mm/swap_entry.ts';
import { linear_page_index, vm_file } from '../mm/vm_area_struct.ts';
import { NR_DIRTY_THROTTLED, nr_file_dirty, nr_writeback } from '../mm/vmstat.ts';
import { xa_for_each } from '../mm/xarray.ts';
import { MAPPING_CACHE } from '../slab/caches.ts';
import { cacheSlots, isAllocated } from '../slab/kmem_cache.ts';
import { entryName, type SweepState } from './sweep_state.ts';

export function sweepFilePages(state: SweepState): void {
  const { m } = state;
  let dirty = 0;
  for (let slot = 1; slot <= cacheSlots(m, MAPPING_CACHE); slot++) {
    if (isAllocated(m, MAPPING_CACHE, slot)) dirty += sweepFile(state, slot as MappingId);
  }
  if (nr_file_dirty(m) !== dirty)
    state.report('Q13', `the machine counts ${nr_file_dirty(m)} dirty pages of files, but there are ${dirty}`);
  if (nr_writeback(m) !== 0) state.report('Q13', `the machine counts ${nr_writeback(m)} pages that are being written`);
  if (m.words[NR_DIRTY_THROTTLED] !== 0) state.report('Q13', `the machine counts ${m.words[NR_DIRTY_THROTTLED]} CPUs that are throttled`);
  sweepEntriesBeyondEnd(state);
}

/** @returns dirty pages of the file, if those are counted */
function sweepFile(state: SweepState, file: MappingId): number {
  const { m } = state;
  const size = i_size(m, file);
  const counts = mapping_can_writeback(m, file);
  let dirty = 0;
  xa_for_each(state.cpu, pagesRoot(m, file), (index, entry) => {
    if (!counts || xa_is_value(entry) || ((m.words[folioFlagsWord(m, entry as Pfn)] as number) & PG_dirty) === 0) return;
    dirty++;
    // A clean one may be there: whoever read ahead has looked at the size before it was reduced.
    if (index >= size) state.report('I16', `file ${file} has ${size} pages, but its page ${index} is dirty`);
  });
  const counted = m.words[nrdirtyWord(m, file)] as number;
  if (counted !== dirty) state.report('Q13', `file ${file} counts ${counted} dirty pages, but has ${dirty}`);
  if (m.words[punchCountWord(m, file)] !== 0) state.report('Q03', `file ${file}: a hole is being punched into it`);
  if (m.words[punchWaiters(m, file)] !== 0) state.report('Q03', `file ${file}: somebody waits for the end of a punch`);
  return dirty;
}

/** Private copies, too: truncation unmaps them. */
function sweepEntriesBeyondEnd(state: SweepState): void {
  const { m } = state;
  for (const entry of state.entries) {
    const file = entry.vma === NO_VMA ? NO_MAPPING : vm_file(m, entry.vma);
    if (file === NO_MAPPING || !isAllocated(m, MAPPING_CACHE, file)) continue;
    const index = linear_page_index(m, entry.vma, entry.vpn);
    if (index >= i_size(m, file))
      state.report('I16', `${entryName(entry)} maps page ${index} of file ${file}, which has ${i_size(m, file)}`);
  }
}

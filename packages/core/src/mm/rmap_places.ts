/**
 * Where a page may be mapped: every place that the areas of its anon_vma, or of its file, give it. What the entry there is, the visitor looks at
 * under its lock. From the oldest area to the newest, because fork copies entries from an older area to a newer one while we walk:
 *
 *   walking CPU                               forking CPU
 *   1 changes the parent's entry
 *                                             2 copies the parent's entry, as it is now, to the child
 *   3 comes to the child  <- decides: whatever 2 copied before 1 is found here
 *
 * The other way round the child's copy would be made behind the walk.
 * @kernel mm/rmap.c rmap_walk_anon(), rmap_walk_file(), folio_get_anon_vma()
 * @fidelity reduced: lists instead of interval trees; the order of the lists is that of the areas' age in reverse
 * Next: mm/migrate.ts
 */
import type { AnonVmaId, AvcId, MappingId, Pfn, TableId, VmaId, Vpn } from '../base/brand.ts';
import { NO_ANON_VMA, NO_AVC, NO_TABLE, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_inc_not_zero_limited } from '../memory/atomic.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { i_mmap_first, i_mmap_lock_read, i_mmap_unlock_read } from './address_space.ts';
import {
  anon_vma_lock_read,
  anon_vma_unlock_read,
  anonVmaFirst,
  anonVmaNext,
  anonVmaPrev,
  anonVmaRefcountWord,
  avcVma,
  put_anon_vma,
} from './anon_vma.ts';
import { folio_mapcount, folioAnonVma, folioFile, folioMapping } from './folio.ts';
import { findPteTable } from './page_table.ts';
import { vm_end, vm_mm, vm_pgoff, vm_start, vma_shared_next, vma_shared_prev } from './vm_area_struct.ts';

/** A place where a page may be mapped; its area stays as long as the visit. Takes the table's lock itself. */
export type VisitPlace = (vma: VmaId, vpn: Vpn, table: TableId) => void;

/**
 * Visits all places of one page. @param mapping the folio's mapping word, @param index its index there
 * @locks in: the folio lock; for an anonymous page a reference to its anon_vma. Takes the anon_vma or i_mmap lock for reading; may sleep
 */
export function rmapVisitPlaces(cpu: Cpu, mapping: number, index: number, visit: VisitPlace): void {
  if ((mapping & 1) !== 0) visitAnon(cpu, folioAnonVma(mapping), index, visit);
  else visitFile(cpu, folioFile(mapping), index, visit);
}

function visitAnon(cpu: Cpu, anonVma: AnonVmaId, index: number, visit: VisitPlace): void {
  const m = cpu.memory;
  anon_vma_lock_read(cpu, anonVma);
  for (let avc = oldestLink(m, anonVma); avc !== NO_AVC; avc = anonVmaPrev(m, avc)) visitArea(cpu, avcVma(m, avc), index, visit);
  anon_vma_unlock_read(cpu, anonVma);
}

function oldestLink(m: SharedMemory, anonVma: AnonVmaId): AvcId {
  let last: AvcId = NO_AVC;
  for (let avc = anonVmaFirst(m, anonVma); avc !== NO_AVC; avc = anonVmaNext(m, avc)) last = avc;
  return last;
}

function visitFile(cpu: Cpu, file: MappingId, index: number, visit: VisitPlace): void {
  const m = cpu.memory;
  i_mmap_lock_read(cpu, file);
  let last: VmaId = NO_VMA;
  for (let vma = i_mmap_first(m, file); vma !== NO_VMA; vma = vma_shared_next(m, vma)) last = vma;
  for (let vma = last; vma !== NO_VMA; vma = vma_shared_prev(m, vma)) visitArea(cpu, vma, index, visit);
  i_mmap_unlock_read(cpu, file);
}

/** @locks in: the lock that keeps the area's range and its tables. @kernel vma_address() */
function visitArea(cpu: Cpu, vma: VmaId, index: number, visit: VisitPlace): void {
  const m = cpu.memory;
  const vpn = (vm_start(m, vma) + index - vm_pgoff(m, vma)) as Vpn;
  if (vpn < vm_start(m, vma) || vpn >= vm_end(m, vma)) return;
  const table = findPteTable(cpu, vm_mm(m, vma), vpn);
  if (table !== NO_TABLE) visit(vma, vpn, table);
}

const REFCOUNT_MAX = 0x7fffffff;

/**
 * A reference to the anon_vma of a mapped anonymous folio, for a walk that goes on when nothing maps the folio any more.
 *
 *   this CPU                                  unmapping CPU
 *   1 reads the folio's anon_vma
 *                                             2 unmaps the folio, frees the anon_vma: its slot may be another's now
 *   3 takes a reference, if there is one to take
 *   4 the folio is still mapped?  <- decides: then its anon_vma was alive all the time
 *
 * @locks in: the folio cannot be freed. @returns NO_ANON_VMA when nothing maps the folio
 */
export function folio_get_anon_vma(cpu: Cpu, pfn: Pfn): AnonVmaId {
  const mapping = folioMapping(cpu, pfn);
  if ((mapping & 1) === 0 || folio_mapcount(cpu, pfn) === 0) return NO_ANON_VMA;
  const id = folioAnonVma(mapping);
  // Acquire. Pairs with: put_anon_vma() of the last owner.
  if (atomic_inc_not_zero_limited(cpu, anonVmaRefcountWord(cpu.memory, id), REFCOUNT_MAX) === 0) return NO_ANON_VMA;
  if (folio_mapcount(cpu, pfn) !== 0) return id; // Pairs with: folio_remove_rmap_pte(), which comes before the area lets go of its anon_vma.
  put_anon_vma(cpu, id);
  return NO_ANON_VMA;
}

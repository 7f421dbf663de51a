/**
 * A page that is in swap, or on its way there or back: found in the swap cache or read, locked, checked, mapped.
 *
 *   faulting CPU                              another CPU
 *   1 entry E in the page table, finds folio F in the swap cache for E
 *   2 drops the fault lock?, waits for F's lock
 *                                             3 brings the page in, frees the slot; F may leave the cache, E may become another page's
 *   4 F locked: still in the swap cache, for E? (R15)   <- decides: else start over
 *   5 page-table lock: the entry is still E? (R13)      <- decides: else somebody was faster
 *
 * On a device that needs no waiting a fault reads by itself, past the swap cache. Then nothing but the claim keeps E from being freed and used
 * again while it is being read: with the same E in the page table again, step 5 would see no difference.
 * @kernel mm/memory.c do_swap_page(), should_try_to_free_swap()
 * @fidelity reduced: no KSM, no large folios, no memory cgroups
 * Next: fault/swapin_readahead.ts
 */

import { invariant } from '../base/assert.ts';
import type { Pfn, SwpEntry, Word } from '../base/brand.ts';
import { NO_SWAP_ENTRY } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { swap_read_folio } from '../io/swap_io.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { allocOrReclaim } from '../mm/alloc_or_reclaim.ts';
import {
  folio_ref_count,
  folio_test_anon,
  folioSet,
  folioTest,
  NO_FOLIO,
  PG_swapbacked,
  PG_uptodate,
  setFolioSwapEntry,
} from '../mm/folio.ts';
import { folio_add_lru } from '../mm/folio_add_lru.ts';
import { __folio_set_locked, folio_unlock } from '../mm/folio_lock.ts';
import { swapEntsWord } from '../mm/mm_struct.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { set_pte_at } from '../mm/page_table.ts';
import { mk_pte, PTE_DIRTY, PTE_RW, PTE_UFFD_WP, PTE_YOUNG, protectionBits } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { folio_add_anon_rmap_pte, folio_add_new_anon_rmap } from '../mm/rmap.ts';
import { non_swap_entry, pte_swp_exclusive, pte_swp_uffd_wp, pte_to_swp_entry } from '../mm/swap_entry.ts';
import { folio_free_swap, folio_matches_swap_entry, swap_cache_get_folio } from '../mm/swap_state.ts';
import {
  get_swap_device,
  SWP_SYNCHRONOUS_IO,
  swap_cache_get_shadow,
  swap_count,
  swap_free,
  swapcache_clear,
  swapcache_prepare,
  swapFlags,
  vm_swap_full,
  waitForSwapClaim,
} from '../mm/swapfile.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_ACCESS_FLAGS, VM_LOCKED, VM_WRITE } from '../mm/vm_flags.ts';
import { workingset_refault } from '../mm/workingset.ts';
import { MUTANT_B20, MUTANT_B28_SWAP, MUTANT_B38 } from '../mutants/ids.ts';
import { count_vm_event, PAGE_GONE_AT_RETRY, PGMAJFAULT, SWAP_ENTRY_REUSED, SWAPIN_CACHED, SWAPIN_SYNC } from '../trace/counters.ts';
import { TRACE_SET_PTE, TRACE_SWAP_IN } from '../trace/events.ts';
import { AFTER_SWAP_CLAIM, AFTER_SWAP_LOOKUP, at, BEFORE_SWAP_INSTALL, BEFORE_SWAP_LOOKUP } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { do_nonswap_entry } from './do_nonswap_entry.ts';
import { do_wp_page } from './do_wp_page.ts';
import { release_fault_lock } from './fault_lock.ts';
import { raceLost } from './finish_fault.ts';
import { folio_lock_or_retry } from './folio_lock_or_retry.ts';
import { swap_update_readahead, swapin_readahead } from './swapin_readahead.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_VMA_LOCK,
  FAULT_FLAG_WRITE,
  liveVma,
  VM_FAULT_ERROR,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/** A folio for the fault, with a reference, and how it came. */
interface Found {
  readonly pfn: Pfn;
  /** In the swap cache; otherwise this fault has claimed the entry and read the folio for itself. */
  readonly cached: boolean;
  /** MAJOR if it had to be read. */
  readonly major: VmFaultBits;
}

/** @locks in: the fault lock. out: as handle_mm_fault(). Rows 30 to 35 of the table of results. May sleep */
export function do_swap_page(cpu: Cpu, vmf: VmFault): VmFaultBits {
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0 && !cpu.policy.vmaLockSwap) {
    release_fault_lock(cpu, vmf);
    return VM_FAULT_RETRY;
  }
  if (cpu.mutant === MUTANT_B38) vmf.flags &= ~FAULT_FLAG_ALLOW_RETRY;
  const entry = pte_to_swp_entry(vmf.orig_pte);
  if (non_swap_entry(entry)) return do_nonswap_entry(cpu, vmf);
  invariant(get_swap_device(cpu.memory, entry), 'I29', 'a page-table entry leads to a swap slot that does not exist');
  at(cpu, BEFORE_SWAP_LOOKUP);
  const found = findCached(cpu, vmf, entry) ?? bringIn(cpu, vmf, entry);
  if (typeof found === 'number') return found;
  const { pfn, major } = found;
  at(cpu, AFTER_SWAP_LOOKUP);
  const waited = folio_lock_or_retry(cpu, vmf, pfn);
  if (waited !== 0) folio_put(cpu, pfn);
  const result = waited !== 0 ? waited : mapLocked(cpu, vmf, entry, found);
  if (!found.cached && cpu.mutant !== MUTANT_B20) swapcache_clear(cpu, entry);
  return (result & VM_FAULT_ERROR) !== 0 ? result : result | major;
}

function findCached(cpu: Cpu, vmf: VmFault, entry: SwpEntry): Found | null {
  const pfn = swap_cache_get_folio(cpu, entry);
  if (pfn === NO_FOLIO) return null;
  swap_update_readahead(cpu, liveVma(vmf), vmf.vpn, pfn);
  count_vm_event(cpu, SWAPIN_CACHED);
  return { pfn, cached: true, major: 0 };
}

/** Reads the page, or starts to. @returns the result of the attempt when there is nothing to go on with */
function bringIn(cpu: Cpu, vmf: VmFault, entry: SwpEntry): Found | VmFaultBits {
  if ((vmf.flags & FAULT_FLAG_TRIED) !== 0) count_vm_event(cpu, PAGE_GONE_AT_RETRY);
  const alone = (swapFlags(cpu.memory, entry) & SWP_SYNCHRONOUS_IO) !== 0 && swap_count(cpu, entry) === 1;
  if (alone) return readDirectly(cpu, vmf, entry);
  const pfn = swapin_readahead(cpu, vmf, entry);
  if (pfn === NO_FOLIO) return unlessChanged(cpu, vmf);
  count_vm_event(cpu, PGMAJFAULT);
  return { pfn, cached: true, major: VM_FAULT_MAJOR };
}

/** No page could be had: out of memory, unless somebody has served the fault meanwhile. @locks in: the fault lock */
function unlessChanged(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const word = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (!pte_same(cpu, word, vmf.orig_pte)) return raceLost(cpu, vmf, word); // R13
  pte_unmap_unlock(cpu, vmf.table);
  return VM_FAULT_OOM;
}

/**
 * Past the swap cache, with the fault lock held throughout. Who finds the entry claimed sleeps for a tick, also with its lock held, and lets the
 * access fault again. @returns a folio, unlocked, that nobody else knows; or the result of the attempt
 */
function readDirectly(cpu: Cpu, vmf: VmFault, entry: SwpEntry): Found | VmFaultBits {
  const pfn = allocOrReclaim(cpu, vm_mm(cpu.memory, liveVma(vmf)));
  if (pfn === NO_FOLIO) return unlessChanged(cpu, vmf);
  if (cpu.mutant !== MUTANT_B20 && swapcache_prepare(cpu, entry) !== 0) {
    folio_put(cpu, pfn);
    waitForSwapClaim(cpu, entry);
    return 0;
  }
  at(cpu, AFTER_SWAP_CLAIM);
  __folio_set_locked(cpu, pfn);
  folioSet(cpu, pfn, PG_swapbacked); // Alone: nobody else knows it.
  const shadow = swap_cache_get_shadow(cpu, entry);
  if (shadow !== 0) workingset_refault(cpu, pfn, shadow);
  setFolioSwapEntry(cpu.memory, pfn, entry);
  swap_read_folio(cpu, pfn);
  setFolioSwapEntry(cpu.memory, pfn, NO_SWAP_ENTRY);
  count_vm_event(cpu, PGMAJFAULT);
  count_vm_event(cpu, SWAPIN_SYNC);
  return { pfn, cached: false, major: VM_FAULT_MAJOR };
}

/** @locks in: the fault lock, the folio's. out: the fault lock, or as do_wp_page(); the reference on the folio is used up */
function mapLocked(cpu: Cpu, vmf: VmFault, entry: SwpEntry, found: Found): VmFaultBits {
  const { pfn, cached } = found;
  if (cached && !folio_matches_swap_entry(cpu, pfn, entry)) {
    count_vm_event(cpu, SWAP_ENTRY_REUSED);
    return notMapped(cpu, pfn, 0); // R15
  }
  at(cpu, BEFORE_SWAP_INSTALL);
  const word = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (!pte_same(cpu, word, vmf.orig_pte) && cpu.mutant !== MUTANT_B28_SWAP) return notMapped(cpu, pfn, raceLost(cpu, vmf, word)); // R13
  if (!folioTest(cpu, pfn, PG_uptodate)) {
    pte_unmap_unlock(cpu, vmf.table);
    return notMapped(cpu, pfn, VM_FAULT_SIGBUS); // R16
  }
  return install(cpu, vmf, entry, found, word);
}

function notMapped(cpu: Cpu, pfn: Pfn, result: VmFaultBits): VmFaultBits {
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
  return result;
}

/** @locks in: the fault lock, the folio's, the page-table lock; the entry is orig_pte. out: the fault lock, or as do_wp_page() */
function install(cpu: Cpu, vmf: VmFault, entry: SwpEntry, { pfn, cached, major }: Found, word: Word): VmFaultBits {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  const wasExclusive = !cached || pte_swp_exclusive(vmf.orig_pte);
  swap_free(cpu, entry);
  if (cached && should_try_to_free_swap(cpu, vmf, pfn)) folio_free_swap(cpu, pfn);
  const exclusive = wasExclusive || folio_ref_count(cpu, pfn) === 1;
  atomic_fetch_add(cpu, swapEntsWord(m, vm_mm(m, vma)), -1); // Alone: a count.
  if (folio_test_anon(cpu, pfn)) folio_add_anon_rmap_pte(cpu, pfn, vma, exclusive);
  else folio_add_new_anon_rmap(cpu, pfn, vma, vmf.vpn, exclusive);
  if (!cached) folio_add_lru(cpu, pfn); // One from the swap cache is on a list.
  const pte = mk_pte(pfn, entryBits(cpu, vmf, exclusive));
  set_pte_at(cpu, word, pte);
  trace(cpu, TRACE_SET_PTE, vmf.vpn, pte);
  trace(cpu, TRACE_SWAP_IN, entry, pfn, major === 0 ? 0 : 1);
  folio_unlock(cpu, pfn);
  if ((vmf.flags & FAULT_FLAG_WRITE) === 0 || (pte & PTE_RW) !== 0) {
    pte_unmap_unlock(cpu, vmf.table);
    return 0;
  }
  // The page is there, but others may see it, or a userfaultfd wants to know of writes.
  vmf.orig_pte = pte;
  const written = do_wp_page(cpu, vmf, word);
  return (written & VM_FAULT_ERROR) !== 0 ? written & VM_FAULT_ERROR : written;
}

function entryBits(cpu: Cpu, vmf: VmFault, exclusive: boolean): number {
  const flags = vm_flags(cpu.memory, liveVma(vmf));
  const armed = pte_swp_uffd_wp(vmf.orig_pte);
  const writable = exclusive && (flags & VM_WRITE) !== 0 && !armed;
  const dirty = writable && (vmf.flags & FAULT_FLAG_WRITE) !== 0;
  const bits = protectionBits((flags & VM_ACCESS_FLAGS) !== 0) | PTE_YOUNG | (armed ? PTE_UFFD_WP : 0);
  return bits | (writable ? PTE_RW : 0) | (dirty ? PTE_DIRTY : 0);
}

/** Is the slot better given back at once? When swap is short, the page stays in memory anyway, or this write makes the slot's contents old. */
function should_try_to_free_swap(cpu: Cpu, vmf: VmFault, pfn: Pfn): boolean {
  if (vm_swap_full(cpu.memory)) return true;
  if ((vm_flags(cpu.memory, liveVma(vmf)) & VM_LOCKED) !== 0) return true;
  // The cache's reference and ours.
  return (vmf.flags & FAULT_FLAG_WRITE) !== 0 && folio_ref_count(cpu, pfn) === 2;
}

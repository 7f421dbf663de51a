/**
 * The file's part of a fault: bring the page, up to date and locked. If that takes a wait, the fault lock is dropped first, as long as the attempt
 * may (vmf.fpin says that it was): then everything that was known of the area is void, and the fault starts over.
 *
 *   the page is                     first attempt                               later attempt
 *   there, free                     the page (row 11)                           the page
 *   there, marked for readahead     drops, reads ahead, RETRY (row 12)          the page
 *   there, locked                   drops, waits for it, RETRY (row 13)         waits with its lock held (row 14)
 *   absent                          drops, reads around, waits, RETRY (row 16)  reads with its lock held (row 18)
 *   not readable                    RETRY (row 19)                              SIGBUS (row 20)
 *   beyond the end of the file      SIGBUS (row 21)                             SIGBUS
 *
 * @kernel mm/filemap.c filemap_fault()
 * @fidelity faithful; what policies change is in stepEight() and lock_folio_maybe_drop_mmap()
 * Next: fault/mmap_readahead.ts, fault/lock_folio_maybe_drop_mmap.ts
 */
import type { MappingId, Pfn } from '../base/brand.ts';
import { NO_MAPPING, NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { filemap_read_folio } from '../io/file_io.ts';
import {
  FILE_RESIDENT,
  fileKind,
  filemap_invalidate_lock_shared,
  filemap_invalidate_unlock_shared,
  i_size_read,
} from '../mm/address_space.ts';
import { filemap_get_folio, filemapGetResident, folioIsOf } from '../mm/filemap.ts';
import { filemapGetOrCreate } from '../mm/filemap_create.ts';
import { folioTest, NO_FOLIO, PG_uptodate } from '../mm/folio.ts';
import { folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { ptep_get } from '../mm/page_table.ts';
import { pte_none } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { vm_file, vm_flags } from '../mm/vm_area_struct.ts';
import { VM_LOCKED } from '../mm/vm_flags.ts';
import { MUTANT_B27_MAPPING, MUTANT_B27_SIZE, MUTANT_B46_TWICE } from '../mutants/ids.ts';
import {
  count_vm_event,
  FILEMAP_FAULTS,
  FOLIO_GONE_FOUND_AGAIN,
  FOLIO_TRUNCATED,
  PAGE_GONE_AT_RETRY,
  PGMAJFAULT,
} from '../trace/counters.ts';
import { TRACE_MM_FILEMAP_FAULT } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';
import { maybe_unlock_mmap_for_io, otherRetry, putFpin, retryAfterWait } from './fault_lock.ts';
import { lock_folio_maybe_drop_mmap } from './lock_folio_maybe_drop_mmap.ts';
import { do_async_mmap_readahead, do_sync_mmap_readahead } from './mmap_readahead.ts';
import { type AreaKept, keepArea, reacquireArea, reacquires } from './reacquire.ts';
import {
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_TRIED,
  liveVma,
  VM_FAULT_LOCKED,
  VM_FAULT_MAJOR,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/** What one call knows and holds: a reference on the folio unless that is NO_FOLIO, and perhaps the invalidate lock. */
interface Search {
  readonly file: MappingId;
  readonly index: number;
  readonly kept: AreaKept;
  folio: Pfn;
  invalidateLocked: boolean;
  /** MAJOR once the page was missing. */
  result: VmFaultBits;
}

/** Not a result: look for the page again. */
const SEARCH_AGAIN = -1;

/**
 * Puts the folio, locked and with a reference, into vmf.page, and returns LOCKED.
 * @locks in: the fault lock. out: the fault lock, and with LOCKED the folio lock; nothing with RETRY (without RETRY_NOWAIT). May sleep.
 * @returns LOCKED, NOPAGE, RETRY, SIGBUS or OOM, the first and the third perhaps with MAJOR
 */
export function filemap_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const file = vm_file(cpu.memory, liveVma(vmf));
  const index = vmf.pgoff;
  if (index >= i_size_read(cpu, file)) return VM_FAULT_SIGBUS; // R17
  trace(cpu, TRACE_MM_FILEMAP_FAULT, file, index);
  count_vm_event(cpu, FILEMAP_FAULTS);
  const search: Search = { file, index, kept: keepArea(cpu, vmf), folio: NO_FOLIO, invalidateLocked: false, result: 0 };
  const refused = firstLook(cpu, vmf, search);
  if (refused !== 0) return refused;
  for (;;) {
    if (search.folio === NO_FOLIO) {
      const error = findOrCreate(cpu, search);
      if (error !== 0) return withoutFolio(cpu, vmf, search, error);
    }
    if (!lock_folio_maybe_drop_mmap(cpu, vmf, search.folio)) return notLocked(cpu, vmf, search);
    const result = withFolioLocked(cpu, vmf, search);
    if (result !== SEARCH_AGAIN) return result;
  }
}

/** Steps 2 to 4: what is there, and readahead. @returns 0 to go on, or a result: NOPAGE, OOM */
function firstLook(cpu: Cpu, vmf: VmFault, search: Search): VmFaultBits {
  const { file, index } = search;
  if (fileKind(cpu.memory, file) === FILE_RESIDENT) {
    search.folio = filemapGetResident(cpu, file, index);
    return search.folio === NO_FOLIO ? VM_FAULT_OOM : 0;
  }
  search.folio = filemap_get_folio(cpu, file, index);
  if (search.folio !== NO_FOLIO) {
    if ((vmf.flags & FAULT_FLAG_TRIED) === 0) do_async_mmap_readahead(cpu, vmf, search.folio);
    if (!folioTest(cpu, search.folio, PG_uptodate)) lockInvalidate(cpu, search);
    return 0;
  }
  if (filledMeanwhile(cpu, vmf)) return VM_FAULT_NOPAGE;
  count_vm_event(cpu, PGMAJFAULT);
  if ((vmf.flags & FAULT_FLAG_TRIED) !== 0) count_vm_event(cpu, PAGE_GONE_AT_RETRY);
  search.result = VM_FAULT_MAJOR;
  do_sync_mmap_readahead(cpu, vmf);
  return 0;
}

/**
 * In a locked area the page may have been copied and mapped since the fault looked at its entry, and the file's page, which nothing keeps any more,
 * been reclaimed: then there is nothing to read, and the program must not wait for the disk. @kernel filemap_fault_recheck_pte_none()
 */
function filledMeanwhile(cpu: Cpu, vmf: VmFault): boolean {
  if ((vm_flags(cpu.memory, liveVma(vmf)) & VM_LOCKED) === 0 || vmf.table === NO_TABLE) return false;
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  const filled = !pte_none(ptep_get(cpu, entry));
  pte_unmap_unlock(cpu, vmf.table);
  return filled;
}

function lockInvalidate(cpu: Cpu, search: Search): void {
  if (search.invalidateLocked) return;
  filemap_invalidate_lock_shared(cpu, search.file);
  search.invalidateLocked = true;
}

/**
 * The label retry_find. Under the invalidate lock no page can be truncated, so what is created here belongs to the file; the kernel also creates one
 * that is beyond the end by now, reads it, and then finds out. @returns 0, OOM or SIGBUS
 */
function findOrCreate(cpu: Cpu, search: Search): VmFaultBits {
  const { file, index } = search;
  const resident = fileKind(cpu.memory, file) === FILE_RESIDENT;
  if (!resident) lockInvalidate(cpu, search);
  if (index >= i_size_read(cpu, file) && cpu.mutant !== MUTANT_B27_SIZE) return VM_FAULT_SIGBUS; // R17
  search.folio = resident ? filemapGetResident(cpu, file, index) : filemapGetOrCreate(cpu, file, index);
  return search.folio === NO_FOLIO ? VM_FAULT_OOM : 0;
}

/** Steps 6 to 9. @locks in: the folio lock. out: the same with LOCKED, else released */
function withFolioLocked(cpu: Cpu, vmf: VmFault, search: Search): VmFaultBits {
  const { file, index, folio } = search;
  if (!folioIsOf(cpu, folio, file, index) && cpu.mutant !== MUTANT_B27_MAPPING) {
    count_vm_event(cpu, FOLIO_GONE_FOUND_AGAIN);
    return letGo(cpu, search); // R14
  }
  if (!folioTest(cpu, folio, PG_uptodate) && fileKind(cpu.memory, file) !== FILE_RESIDENT) {
    // R16. Without the invalidate lock it was up to date a moment ago, or so it seemed: look again with it.
    return search.invalidateLocked ? readDirectly(cpu, vmf, search) : letGo(cpu, search);
  }
  if (vmf.fpin !== NO_MAPPING) {
    const again = stepEight(cpu, vmf, search);
    if (again !== 0) return again;
  }
  unlockInvalidate(cpu, search);
  if (index >= i_size_read(cpu, file) && cpu.mutant !== MUTANT_B27_SIZE) {
    count_vm_event(cpu, FOLIO_TRUNCATED);
    folio_unlock(cpu, folio);
    folio_put(cpu, folio);
    return VM_FAULT_SIGBUS; // R17
  }
  vmf.page = folio;
  return search.result | VM_FAULT_LOCKED;
}

function letGo(cpu: Cpu, search: Search): typeof SEARCH_AGAIN {
  folio_unlock(cpu, search.folio);
  folio_put(cpu, search.folio);
  search.folio = NO_FOLIO;
  return SEARCH_AGAIN;
}

/** The fault lock was dropped: start over, unless the policy takes the VMA lock again. @returns 0 to go on with the fault lock held, or RETRY */
function stepEight(cpu: Cpu, vmf: VmFault, search: Search): VmFaultBits {
  const wait = cpu.policy.fileWait;
  if (reacquires(vmf, wait) && reacquireArea(cpu, vmf, search.kept)) {
    putFpin(cpu, vmf);
    return 0;
  }
  folio_unlock(cpu, search.folio);
  const again = cpu.mutant === MUTANT_B46_TWICE ? VM_FAULT_RETRY | VM_FAULT_SIGBUS : retryAfterWait(vmf, wait);
  return startOver(cpu, vmf, search, again);
}

/**
 * Step 7. The page is there and nobody reads it: readahead is off, or has failed.
 * @locks in: the folio lock and the invalidate lock. out: neither, but the invalidate lock with SEARCH_AGAIN
 */
function readDirectly(cpu: Cpu, vmf: VmFault, search: Search): VmFaultBits {
  const dropped = maybe_unlock_mmap_for_io(cpu, vmf);
  const error = filemap_read_folio(cpu, search.file, search.folio);
  // Without the fault lock there is nobody to tell an error: the next attempt finds it.
  if (dropped && (error !== 0 || !reacquires(vmf, cpu.policy.fileWait))) return startOver(cpu, vmf, search, otherRetry(cpu, vmf));
  folio_put(cpu, search.folio);
  search.folio = NO_FOLIO;
  if (error === 0) return SEARCH_AGAIN;
  unlockInvalidate(cpu, search);
  return VM_FAULT_SIGBUS;
}

/** Step 5 has failed: RETRY_NOWAIT, which keeps the fault lock, or a fatal signal. */
function notLocked(cpu: Cpu, vmf: VmFault, search: Search): VmFaultBits {
  const nowait = (vmf.flags & FAULT_FLAG_RETRY_NOWAIT) !== 0;
  return startOver(cpu, vmf, search, nowait ? VM_FAULT_RETRY : otherRetry(cpu, vmf));
}

/** The label out_retry. @param retry RETRY, perhaps with RETRY_VMA */
function startOver(cpu: Cpu, vmf: VmFault, search: Search, retry: VmFaultBits): VmFaultBits {
  if (search.folio !== NO_FOLIO) folio_put(cpu, search.folio);
  unlockInvalidate(cpu, search);
  putFpin(cpu, vmf);
  return search.result | retry;
}

/** There is no page to go on with. Without the fault lock there is nobody to tell the error. */
function withoutFolio(cpu: Cpu, vmf: VmFault, search: Search, error: VmFaultBits): VmFaultBits {
  if (vmf.fpin !== NO_MAPPING) return startOver(cpu, vmf, search, otherRetry(cpu, vmf));
  unlockInvalidate(cpu, search);
  return error;
}

function unlockInvalidate(cpu: Cpu, search: Search): void {
  if (search.invalidateLocked) filemap_invalidate_unlock_shared(cpu, search.file);
  search.invalidateLocked = false;
}

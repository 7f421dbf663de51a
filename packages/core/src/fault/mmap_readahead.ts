/**
 * Read-ahead for faults: a missing page brings its neighbours along, unless the area said that it is read at random or the file is missed much
 * more often than hit. Before anything is read the fault lock is dropped, if this attempt may.
 * @kernel mm/filemap.c do_sync_mmap_readahead(), do_async_mmap_readahead()
 * @fidelity reduced: no huge pages, no order for executable files
 * Next: io/readahead.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { page_cache_async_ra, page_cache_sync_ra, readWindow } from '../io/readahead.ts';
import { READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { raMmapMissWord, raPagesWord } from '../mm/address_space.ts';
import { folioTest, PG_readahead } from '../mm/folio.ts';
import { folio_test_locked } from '../mm/folio_lock.ts';
import { vm_file, vm_flags, vm_pgoff, vma_pages } from '../mm/vm_area_struct.ts';
import { VM_EXEC, VM_RAND_READ, VM_SEQ_READ } from '../mm/vm_flags.ts';
import { count_vm_event, RA_SYNC } from '../trace/counters.ts';
import { maybe_unlock_mmap_for_io } from './fault_lock.ts';
import { liveVma, type VmFault } from './vm_fault.ts';

/** Misses of a file, less its hits, from which on read-around stops. */
const MMAP_LOTSAMISS = 100;
/** The count does not grow beyond this. */
const MMAP_MISS_MAX = MMAP_LOTSAMISS * 10;

/**
 * The page is not cached: reads it and more, if that seems to pay.
 * @locks in: the fault lock, none of the file. out: the same, or nothing with vmf.fpin set. May sleep, not for the reads
 */
export function do_sync_mmap_readahead(cpu: Cpu, vmf: VmFault): void {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  const flags = vm_flags(m, vma);
  const file = vm_file(m, vma);
  const areaEnd = vm_pgoff(m, vma) + vma_pages(m, vma);
  const index = vmf.pgoff;
  const window = READ_ONCE(cpu, raPagesWord(m, file));
  if ((flags & VM_RAND_READ) !== 0 || window === 0) return;
  if ((flags & VM_SEQ_READ) !== 0) {
    maybe_unlock_mmap_for_io(cpu, vmf);
    page_cache_sync_ra(cpu, file, index, window);
    return;
  }
  const word = raMmapMissWord(m, file);
  const misses = Math.min(READ_ONCE(cpu, word) + 1, MMAP_MISS_MAX);
  WRITE_ONCE(cpu, word, misses);
  if (misses > MMAP_LOTSAMISS) return;
  maybe_unlock_mmap_for_io(cpu, vmf);
  count_vm_event(cpu, RA_SYNC);
  // Code is read from the page on, and not past its area: what follows in the file may be something else.
  if ((flags & VM_EXEC) !== 0) readWindow(cpu, file, index, Math.min(window, areaEnd - index), 0);
  else readWindow(cpu, file, Math.max(0, index - (window >>> 1)), window, window >>> 2);
}

/**
 * The page is cached: a hit, and perhaps the mark from which on the next window is read.
 * @param pfn with a reference
 * @locks as do_sync_mmap_readahead()
 */
export function do_async_mmap_readahead(cpu: Cpu, vmf: VmFault, pfn: Pfn): void {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  const file = vm_file(m, vma);
  const window = READ_ONCE(cpu, raPagesWord(m, file));
  if ((vm_flags(m, vma) & VM_RAND_READ) !== 0 || window === 0) return;
  // A locked page is another fault's miss: not a hit of this one.
  if (!folio_test_locked(cpu, pfn)) countHit(cpu, raMmapMissWord(m, file), 1);
  if (!folioTest(cpu, pfn, PG_readahead)) return;
  maybe_unlock_mmap_for_io(cpu, vmf);
  page_cache_async_ra(cpu, file, pfn, vmf.pgoff, window);
}

/** Takes hits from the misses of a file, not below zero. @param word raMmapMissWord() of the file */
export function countHit(cpu: Cpu, word: ReturnType<typeof raMmapMissWord>, hits: number): void {
  const misses = READ_ONCE(cpu, word);
  if (misses > 0) WRITE_ONCE(cpu, word, Math.max(0, misses - hits));
}

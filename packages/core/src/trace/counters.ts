/**
 * Event counters, one word per CPU and event, summed when read. The names are those of /proc/vmstat where the kernel has the event.
 * @kernel include/linux/vm_event_item.h, mm/vmstat.c
 * @fidelity faithful for the events listed; lower-case names below the line are ours
 * Next: trace/events.ts
 */

import { assert } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import { COUNTERS_MAX, PC_COUNTERS, percpuBase } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';

/** Order is the order of the words. */
export const COUNTER_NAMES = [
  'pgfault',
  'pgmajfault',
  'pgalloc',
  'pgfree',
  'pgreuse',
  'vma_lock_success',
  'vma_lock_abort',
  'vma_lock_retry',
  'vma_lock_miss',
  'nr_tlb_remote_flush',
  'nr_tlb_local_flush_one',
  'nr_tlb_local_flush_all',
  'drop_pagecache',
  'drop_slab',
  'pswpin',
  'pswpout',
  'pgpgin',
  'pgpgout',
  'swap_ra',
  'swap_ra_hit',
  'swpin_zero',
  'swpout_zero',
  'nr_dirtied',
  'nr_written',
  'pgactivate',
  'pgdeactivate',
  'pglazyfree',
  'pglazyfreed',
  'pgscan_direct',
  'pgsteal_direct',
  'numa_pte_updates',
  'numa_hint_faults',
  'numa_pages_migrated',
  'pgmigrate_success',
  'pgmigrate_fail',
  'pgrotated',
  'allocstall',
  'pgscan_kswapd',
  'pgsteal_kswapd',
  'pgscan_anon',
  'pgscan_file',
  'pgsteal_anon',
  'pgsteal_file',
  'pgrefill',
  'workingset_refault_anon',
  'workingset_refault_file',
  'workingset_activate_anon',
  'workingset_activate_file',
  'workingset_restore_anon',
  'workingset_restore_file',
  'pageoutrun',
  'oom_kill',
  'thrashing_count',
  'thrashing_us',
  // Ours from here on.
  'faults_user',
  'faults_kernel',
  'faults_gup',
  'faults_finished',
  'faults_error',
  'faults_signal',
  'faults_refused',
  'faults_retried',
  'faults_gup_retried',
  'mmap_attempts',
  'accesses',
  'accesses_tlb_hit',
  'accesses_walk',
  'syscalls',
  'syscalls_failed',
  'mmap_read_acquired',
  'mmap_write_acquired',
  'mmap_read_released',
  'mmap_write_released',
  'mmap_downgraded',
  'mmap_trylock_failed',
  'vma_lock_abort_madvise',
  'vma_write_locked',
  'vma_write_waited',
  'vma_split',
  'vma_merged',
  'vma_expanded',
  'pte_race_lost',
  'anon_zero_page',
  'anon_new_page',
  'wp_reuse',
  'wp_copy',
  'file_mapped',
  'stack_expanded',
  'anon_vma_prepared',
  'anon_vma_trylock_failed',
  'oom',
  'oom_waited',
  'oom_reaped',
  'oom_reap_failed',
  'oom_reaped_pages',
  'faults_oom_again',
  'vma_lock_abort_reacquire',
  'vma_lock_abort_uffd',
  'faults_retried_vma',
  'faults_gup_completed',
  'lock_dropped_for_io',
  'page_gone_at_retry',
  'reacquired',
  'reacquire_failed',
  'filemap_faults',
  'filemap_map_pages',
  'fault_around_mapped',
  'ra_sync',
  'ra_async',
  'ra_pages',
  'read_folio_sync',
  'page_mkwrite',
  'dirty_dropped',
  'dirty_throttled',
  'dirty_pauses',
  'folio_truncated',
  'folio_gone_found_again',
  'lru_gen_aged',
  'lru_gen_mm_walked',
  'lru_gen_mm_skipped',
  'lru_gen_young',
  'lru_gen_sorted',
  'memcg_throttled',
  'memcg_throttled_us',
  'shmem_faults',
  'shmem_hole_waits',
  'swapin_sync',
  'swapin_cached',
  'swap_entry_reused',
  'userfaults',
  'userfault_wakes',
  'userfault_handled',
  'migration_waits',
  'device_private_faults',
  'device_exclusive_faults',
  'poison_faults',
  'guard_faults',
  'driver_faults',
  'driver_fence_waits',
  'folio_lock_killed',
  'file_reads',
  'file_writes',
  'faults_pseudo',
  'faults_local_major',
  'gmap_links',
  'injected_io_error',
  'injected_slow_io',
  'injected_alloc_fail',
  'injected_signal',
  'injected_spurious_wake',
  'injected_delay',
  'injected_pause_cpu',
  'injected_kill_cpu',
  'injected_full_swap',
  'injected_silent_device',
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];
assert(COUNTER_NAMES.length <= COUNTERS_MAX, 'counters: more events than words');

const index = (name: CounterName): number => PC_COUNTERS + COUNTER_NAMES.indexOf(name);

export const PGFAULT: number = index('pgfault');
export const PGMAJFAULT: number = index('pgmajfault');
export const PGALLOC: number = index('pgalloc');
export const PGFREE: number = index('pgfree');
export const PGREUSE: number = index('pgreuse');
export const VMA_LOCK_SUCCESS: number = index('vma_lock_success');
export const VMA_LOCK_ABORT: number = index('vma_lock_abort');
export const VMA_LOCK_RETRY: number = index('vma_lock_retry');
export const VMA_LOCK_MISS: number = index('vma_lock_miss');
export const NR_TLB_REMOTE_FLUSH: number = index('nr_tlb_remote_flush');
export const NR_TLB_LOCAL_FLUSH_ONE: number = index('nr_tlb_local_flush_one');
export const NR_TLB_LOCAL_FLUSH_ALL: number = index('nr_tlb_local_flush_all');
/** Writes to vm.drop_caches, by what they were for. */
export const DROP_PAGECACHE: number = index('drop_pagecache');
export const DROP_SLAB: number = index('drop_slab');
export const FAULTS_USER: number = index('faults_user');
export const FAULTS_KERNEL: number = index('faults_kernel');
export const FAULTS_GUP: number = index('faults_gup');
export const FAULTS_FINISHED: number = index('faults_finished');
export const FAULTS_ERROR: number = index('faults_error');
export const FAULTS_SIGNAL: number = index('faults_signal');
/** Ended before any handler: no area, or one that forbids the access. */
export const FAULTS_REFUSED: number = index('faults_refused');
/** Attempts that ended with RETRY, whoever made them. */
export const FAULTS_RETRIED: number = index('faults_retried');
/** Attempts of GUP that ended with RETRY. */
export const FAULTS_GUP_RETRIED: number = index('faults_gup_retried');
export const MMAP_ATTEMPTS: number = index('mmap_attempts');
export const ACCESSES: number = index('accesses');
export const ACCESSES_TLB_HIT: number = index('accesses_tlb_hit');
export const ACCESSES_WALK: number = index('accesses_walk');
export const SYSCALLS: number = index('syscalls');
export const SYSCALLS_FAILED: number = index('syscalls_failed');
export const MMAP_READ_ACQUIRED: number = index('mmap_read_acquired');
export const MMAP_WRITE_ACQUIRED: number = index('mmap_write_acquired');
export const MMAP_READ_RELEASED: number = index('mmap_read_released');
export const MMAP_WRITE_RELEASED: number = index('mmap_write_released');
export const MMAP_DOWNGRADED: number = index('mmap_downgraded');
export const MMAP_TRYLOCK_FAILED: number = index('mmap_trylock_failed');
/** Those of vma_lock_abort that madvise caused, not a fault. */
export const VMA_LOCK_ABORT_MADVISE: number = index('vma_lock_abort_madvise');
export const VMA_WRITE_LOCKED: number = index('vma_write_locked');
export const VMA_WRITE_WAITED: number = index('vma_write_waited');
export const VMA_SPLIT: number = index('vma_split');
export const VMA_MERGED: number = index('vma_merged');
export const VMA_EXPANDED: number = index('vma_expanded');
export const PTE_RACE_LOST: number = index('pte_race_lost');
export const ANON_ZERO_PAGE: number = index('anon_zero_page');
export const ANON_NEW_PAGE: number = index('anon_new_page');
export const WP_REUSE: number = index('wp_reuse');
export const WP_COPY: number = index('wp_copy');
export const FILE_MAPPED: number = index('file_mapped');
export const STACK_EXPANDED: number = index('stack_expanded');
export const ANON_VMA_PREPARED: number = index('anon_vma_prepared');
export const ANON_VMA_TRYLOCK_FAILED: number = index('anon_vma_trylock_failed');
export const OOM: number = index('oom');
/** Processes that were killed for their memory. */
export const OOM_KILL: number = index('oom_kill');
/** Calls of the killer that found a victim on its way, or another CPU choosing one. */
export const OOM_WAITED: number = index('oom_waited');
/** Address spaces that the reaper has emptied, those that it has given up, and the pages that it took. */
export const OOM_REAPED: number = index('oom_reaped');
export const OOM_REAP_FAILED: number = index('oom_reap_failed');
export const OOM_REAPED_PAGES: number = index('oom_reaped_pages');
/** User faults without memory whose instruction is executed again. */
export const FAULTS_OOM_AGAIN: number = index('faults_oom_again');
export const PSWPIN: number = index('pswpin');
export const PSWPOUT: number = index('pswpout');
export const PGPGIN: number = index('pgpgin');
export const PGPGOUT: number = index('pgpgout');
export const SWAP_RA: number = index('swap_ra');
export const SWAP_RA_HIT: number = index('swap_ra_hit');
export const SWPIN_ZERO: number = index('swpin_zero');
export const SWPOUT_ZERO: number = index('swpout_zero');
export const NR_DIRTIED: number = index('nr_dirtied');
export const NR_WRITTEN: number = index('nr_written');
export const PGACTIVATE: number = index('pgactivate');
export const PGDEACTIVATE: number = index('pgdeactivate');
export const PGLAZYFREE: number = index('pglazyfree');
export const PGLAZYFREED: number = index('pglazyfreed');
export const PGSCAN_DIRECT: number = index('pgscan_direct');
export const PGSTEAL_DIRECT: number = index('pgsteal_direct');
export const NUMA_PTE_UPDATES: number = index('numa_pte_updates');
export const NUMA_HINT_FAULTS: number = index('numa_hint_faults');
export const NUMA_PAGES_MIGRATED: number = index('numa_pages_migrated');
export const PGMIGRATE_SUCCESS: number = index('pgmigrate_success');
export const PGMIGRATE_FAIL: number = index('pgmigrate_fail');
export const PGROTATED: number = index('pgrotated');
/** Allocations that had to reclaim first. */
export const ALLOCSTALL: number = index('allocstall');
export const PGSCAN_KSWAPD: number = index('pgscan_kswapd');
export const PGSTEAL_KSWAPD: number = index('pgsteal_kswapd');
export const PGSCAN_ANON: number = index('pgscan_anon');
export const PGSCAN_FILE: number = index('pgscan_file');
export const PGSTEAL_ANON: number = index('pgsteal_anon');
export const PGSTEAL_FILE: number = index('pgsteal_file');
/** Pages of active lists that were looked at. */
export const PGREFILL: number = index('pgrefill');
/** A page that had been reclaimed is wanted again; soon enough to be active at once; and it had been in use before. */
export const WORKINGSET_REFAULT_ANON: number = index('workingset_refault_anon');
export const WORKINGSET_REFAULT_FILE: number = index('workingset_refault_file');
export const WORKINGSET_ACTIVATE_ANON: number = index('workingset_activate_anon');
export const WORKINGSET_ACTIVATE_FILE: number = index('workingset_activate_file');
export const WORKINGSET_RESTORE_ANON: number = index('workingset_restore_anon');
export const WORKINGSET_RESTORE_FILE: number = index('workingset_restore_file');
/** Rounds of background reclaim. */
export const PAGEOUTRUN: number = index('pageoutrun');
/** Waits for a page that had been in use and was reclaimed, and their time in microseconds. @kernel delay accounting: thrashing_count, thrashing_delay */
export const THRASHING_COUNT: number = index('thrashing_count');
export const THRASHING_US: number = index('thrashing_us');
export const VMA_LOCK_ABORT_REACQUIRE: number = index('vma_lock_abort_reacquire');
export const VMA_LOCK_ABORT_UFFD: number = index('vma_lock_abort_uffd');
export const FAULTS_RETRIED_VMA: number = index('faults_retried_vma');
export const FAULTS_GUP_COMPLETED: number = index('faults_gup_completed');
export const LOCK_DROPPED_FOR_IO: number = index('lock_dropped_for_io');
export const PAGE_GONE_AT_RETRY: number = index('page_gone_at_retry');
export const REACQUIRED: number = index('reacquired');
export const REACQUIRE_FAILED: number = index('reacquire_failed');
export const FILEMAP_FAULTS: number = index('filemap_faults');
export const FILEMAP_MAP_PAGES: number = index('filemap_map_pages');
export const FAULT_AROUND_MAPPED: number = index('fault_around_mapped');
export const RA_SYNC: number = index('ra_sync');
export const RA_ASYNC: number = index('ra_async');
export const RA_PAGES: number = index('ra_pages');
export const READ_FOLIO_SYNC: number = index('read_folio_sync');
export const PAGE_MKWRITE: number = index('page_mkwrite');
export const DIRTY_DROPPED: number = index('dirty_dropped');
export const DIRTY_THROTTLED: number = index('dirty_throttled');
export const DIRTY_PAUSES: number = index('dirty_pauses');
export const FOLIO_TRUNCATED: number = index('folio_truncated');
export const FOLIO_GONE_FOUND_AGAIN: number = index('folio_gone_found_again');
/** Generations begun; processes whose page tables were looked through for that, or passed over because of their mmap_lock; entries found young. */
export const LRU_GEN_AGED: number = index('lru_gen_aged');
export const LRU_GEN_MM_WALKED: number = index('lru_gen_mm_walked');
export const LRU_GEN_MM_SKIPPED: number = index('lru_gen_mm_skipped');
export const LRU_GEN_YOUNG: number = index('lru_gen_young');
/** Pages of the oldest generation that turned out to be of a younger one. */
export const LRU_GEN_SORTED: number = index('lru_gen_sorted');
/** Delays of tasks over `high` of their cgroup, and their time in microseconds. */
export const MEMCG_THROTTLED: number = index('memcg_throttled');
export const MEMCG_THROTTLED_US: number = index('memcg_throttled_us');
export const SHMEM_FAULTS: number = index('shmem_faults');
export const SHMEM_HOLE_WAITS: number = index('shmem_hole_waits');
export const SWAPIN_SYNC: number = index('swapin_sync');
export const SWAPIN_CACHED: number = index('swapin_cached');
export const SWAP_ENTRY_REUSED: number = index('swap_entry_reused');
export const USERFAULTS: number = index('userfaults');
export const USERFAULT_WAKES: number = index('userfault_wakes');
export const USERFAULT_HANDLED: number = index('userfault_handled');
export const MIGRATION_WAITS: number = index('migration_waits');
export const DEVICE_PRIVATE_FAULTS: number = index('device_private_faults');
export const DEVICE_EXCLUSIVE_FAULTS: number = index('device_exclusive_faults');
export const POISON_FAULTS: number = index('poison_faults');
export const GUARD_FAULTS: number = index('guard_faults');
export const DRIVER_FAULTS: number = index('driver_faults');
export const DRIVER_FENCE_WAITS: number = index('driver_fence_waits');
export const FOLIO_LOCK_KILLED: number = index('folio_lock_killed');
export const FILE_READS: number = index('file_reads');
export const FILE_WRITES: number = index('file_writes');
/** s390: faults of a guest that was told to go on without its page. */
export const FAULTS_PSEUDO: number = index('faults_pseudo');
/** powerpc: faults that the entry itself counts as major. */
export const FAULTS_LOCAL_MAJOR: number = index('faults_local_major');
/** s390: pages linked into a guest's tables. */
export const GMAP_LINKS: number = index('gmap_links');
/** Trouble that was injected (trace/injector.ts, io/error_injection.ts). */
export const INJECTED_IO_ERROR: number = index('injected_io_error');
export const INJECTED_SLOW_IO: number = index('injected_slow_io');
export const INJECTED_ALLOC_FAIL: number = index('injected_alloc_fail');
export const INJECTED_SIGNAL: number = index('injected_signal');
export const INJECTED_SPURIOUS_WAKE: number = index('injected_spurious_wake');
export const INJECTED_DELAY: number = index('injected_delay');
export const INJECTED_PAUSE_CPU: number = index('injected_pause_cpu');
export const INJECTED_KILL_CPU: number = index('injected_kill_cpu');
export const INJECTED_FULL_SWAP: number = index('injected_full_swap');
export const INJECTED_SILENT_DEVICE: number = index('injected_silent_device');

/** What counting needs of a CPU: its block, and the arena. */
export interface Counting {
  readonly words: SharedMemory['words'];
  readonly percpu: Word;
}

/** Counts one event on this CPU. A plain increment: only this CPU writes the word. @kernel count_vm_event() */
export function count_vm_event(cpu: Counting, event: number): void {
  const word = cpu.percpu + event;
  cpu.words[word] = ((cpu.words[word] as number) + 1) | 0;
}

/** Adds to an event of this CPU. @kernel count_vm_events() */
export function count_vm_events(cpu: Counting, event: number, delta: number): void {
  const word = cpu.percpu + event;
  cpu.words[word] = ((cpu.words[word] as number) + delta) | 0;
}

/** Sum over all CPUs; exact when they are idle. @kernel all_vm_events() */
export function readCounters(memory: SharedMemory): Record<CounterName, number> {
  const sums: Partial<Record<CounterName, number>> = {};
  COUNTER_NAMES.forEach((name, position) => {
    let sum = 0;
    for (let cpu = 0; cpu < memory.size.cpus; cpu++) {
      sum += (memory.words[percpuBase(memory.percpuAt, cpu as CpuId) + PC_COUNTERS + position] as number) >>> 0;
    }
    sums[name] = sum;
  });
  return sums as Record<CounterName, number>;
}

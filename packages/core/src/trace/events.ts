/**
 * The trace points, one list: name (the kernel's own where it has one), the names of its three arguments, what it means.
 * Next: trace/trace_ring.ts
 */
export interface TraceEventSpec {
  readonly name: string;
  readonly args: readonly [string, string, string];
  readonly meaning: string;
}

const event = (name: string, args: readonly [string, string, string], meaning: string): TraceEventSpec => ({ name, args, meaning });

export const TRACE_EVENTS: readonly TraceEventSpec[] = [
  event('page_fault_user', ['vpn', 'error_code', ''], 'a user access faulted'),
  event('page_fault_kernel', ['vpn', 'error_code', ''], 'an access of the kernel to user memory faulted'),
  event('mmap_lock_start_locking', ['mm', 'write', ''], 'about to take mmap_lock'),
  event('mmap_lock_acquire_returned', ['mm', 'write', 'success'], 'mmap_lock taken, or not'),
  event('mmap_lock_released', ['mm', 'write', ''], 'about to release mmap_lock'),
  event('vma_start_read', ['vma', 'vpn', 'result'], 'outcome of lock_vma_under_rcu: 0 locked, 1 aborted'),
  event('vma_end_read', ['vma', '', ''], 'VMA read lock released'),
  event('vma_start_write', ['vma', 'waited', ''], 'VMA write-locked until the end of the mmap_lock section'),
  event('handle_mm_fault', ['vpn', 'flags', 'result'], 'one attempt ended'),
  event('fault_retry', ['vpn', 'flags', ''], 'the fault is tried again under mmap_lock'),
  event('set_pte', ['vpn', 'pte', ''], 'a page-table entry was installed'),
  event('zap_pte', ['vpn', 'pte', ''], 'a page-table entry was removed'),
  event('pte_race_lost', ['vpn', 'seen', 'found'], 'the entry changed before the page-table lock was taken'),
  event('signal', ['signal', 'vpn', ''], 'a signal was raised for this task'),
  event('syscall', ['number', 'result', ''], 'a system call returned'),
  event('tlb_flush', ['vpn', 'pages', ''], 'translations were shot down; 0 pages means all'),
  event('user_read', ['vpn', 'value', ''], 'a user read returned this stamp'),
  event('user_write', ['vpn', 'value', ''], 'a user write stored this stamp'),
  event('stack_expand', ['vma', 'start', ''], 'a stack area grew downwards to this page'),
  event('mm_filemap_fault', ['file', 'index', ''], "the file's fault handler was entered"),
  event('mm_filemap_map_pages', ['file', 'start', 'end'], 'fault-around maps what is resident of this window'),
  event('mm_filemap_add_to_page_cache', ['file', 'index', 'pfn'], 'a page entered the page cache'),
  event('mm_filemap_delete_from_page_cache', ['file', 'index', 'pfn'], 'a page left the page cache'),
  event('block_bio_queue', ['write', 'extent', 'pages'], 'a request was handed to the block device'),
  event('sleep', ['interruptible', 'kind', 'us'], 'the task slept, and has just gone on'),
  event('userfault', ['vpn', 'reason', 'flags'], 'a fault was handed to user space'),
  event('swap_in', ['entry', 'pfn', 'major'], 'a page came back from swap'),
  event('swap_out', ['entry', 'pfn', ''], 'a page was written to swap'),
  event('lock_dropped', ['vpn', 'flags', ''], 'a fault dropped its lock to wait'),
  event('sched_waking', ['target_cpu', '', ''], 'about to wake the task of that CPU, which sleeps or is about to'),
];

const find = (name: string): number => TRACE_EVENTS.findIndex((spec) => spec.name === name);

export const TRACE_PAGE_FAULT_USER: number = find('page_fault_user');
export const TRACE_PAGE_FAULT_KERNEL: number = find('page_fault_kernel');
export const TRACE_MMAP_LOCK_START_LOCKING: number = find('mmap_lock_start_locking');
export const TRACE_MMAP_LOCK_ACQUIRE_RETURNED: number = find('mmap_lock_acquire_returned');
export const TRACE_MMAP_LOCK_RELEASED: number = find('mmap_lock_released');
export const TRACE_VMA_START_READ: number = find('vma_start_read');
export const TRACE_VMA_END_READ: number = find('vma_end_read');
export const TRACE_VMA_START_WRITE: number = find('vma_start_write');
export const TRACE_HANDLE_MM_FAULT: number = find('handle_mm_fault');
export const TRACE_FAULT_RETRY: number = find('fault_retry');
export const TRACE_SET_PTE: number = find('set_pte');
export const TRACE_ZAP_PTE: number = find('zap_pte');
export const TRACE_PTE_RACE_LOST: number = find('pte_race_lost');
export const TRACE_SIGNAL: number = find('signal');
export const TRACE_SYSCALL: number = find('syscall');
export const TRACE_TLB_FLUSH: number = find('tlb_flush');
export const TRACE_USER_READ: number = find('user_read');
export const TRACE_USER_WRITE: number = find('user_write');
export const TRACE_STACK_EXPAND: number = find('stack_expand');
export const TRACE_MM_FILEMAP_FAULT: number = find('mm_filemap_fault');
export const TRACE_MM_FILEMAP_MAP_PAGES: number = find('mm_filemap_map_pages');
export const TRACE_MM_FILEMAP_ADD_TO_PAGE_CACHE: number = find('mm_filemap_add_to_page_cache');
export const TRACE_MM_FILEMAP_DELETE_FROM_PAGE_CACHE: number = find('mm_filemap_delete_from_page_cache');
export const TRACE_BLOCK_BIO_QUEUE: number = find('block_bio_queue');
export const TRACE_SLEEP: number = find('sleep');
export const TRACE_USERFAULT: number = find('userfault');
export const TRACE_SWAP_IN: number = find('swap_in');
export const TRACE_SWAP_OUT: number = find('swap_out');
export const TRACE_LOCK_DROPPED: number = find('lock_dropped');
export const TRACE_SCHED_WAKING: number = find('sched_waking');

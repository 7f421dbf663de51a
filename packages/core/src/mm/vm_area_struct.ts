/**
 * vm_area_struct: one area of an address space. Its slot is reused at once for another area (type-stable), perhaps of another address
 * space; a lockless reader proves the identity after it has the lock.
 * @kernel include/linux/mm_types.h struct vm_area_struct
 * @fidelity reduced: no policies, names or userfaultfd context yet; one word per field
 * Next: mm/vma_lock.ts
 */
import { assert } from '../base/assert.ts';
import type { AnonVmaId, AvcId, MappingId, MmId, UffdId, VmaId, Vpn, Word } from '../base/brand.ts';
import { READ_ONCE, type Steps } from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';

const SHIFT = 6;
// Line 0: read by every fault.
const VM_REFCNT = 0;
const VM_LOCK_SEQ = 1;
const VM_START = 2;
const VM_END = 3;
const VM_FLAGS = 4;
const VM_PGOFF = 5;
const VM_MM = 6;
const ANON_VMA = 7;
const VM_FILE = 8;
const DETACHED = 9;
const USERFAULTFD_CTX = 10;
const SWAP_READAHEAD_INFO = 11;
const VM_PRIVATE_DATA = 12;
const SWAP_READAHEAD_WINDOW = 13;
// Line 1: the links.
const AVC_HEAD = 16;
const AVC_TAIL = 17;
const SHARED_NEXT = 18;
const SHARED_PREV = 19;
const RCU_HEAD = 20;
// Line 2: the lock of design A.
const VM_LOCK = 32;

export interface FieldSpec {
  readonly name: string;
  readonly word: number;
  readonly access: 'atomic' | 'plain' | 'marked';
  readonly guard: string;
}

/** Who may write which field under which lock. Readers need the VMA read lock, mmap_lock, or RCU with a re-check. */
export const VMA_FIELDS: readonly FieldSpec[] = [
  { name: 'vm_refcnt', word: VM_REFCNT, access: 'atomic', guard: 'itself' },
  { name: 'vm_lock_seq', word: VM_LOCK_SEQ, access: 'marked', guard: 'mmap write + readers excluded' },
  { name: 'vm_start', word: VM_START, access: 'plain', guard: 'mmap write + vma write' },
  { name: 'vm_end', word: VM_END, access: 'plain', guard: 'mmap write + vma write' },
  { name: 'vm_flags', word: VM_FLAGS, access: 'plain', guard: 'mmap write + vma write' },
  { name: 'vm_pgoff', word: VM_PGOFF, access: 'plain', guard: 'mmap write + vma write' },
  { name: 'vm_mm', word: VM_MM, access: 'marked', guard: 'before attach' },
  { name: 'anon_vma', word: ANON_VMA, access: 'marked', guard: 'mmap read + page_table_lock, or mmap write + vma write' },
  { name: 'vm_file', word: VM_FILE, access: 'plain', guard: 'before attach' },
  { name: 'detached', word: DETACHED, access: 'marked', guard: 'mmap write + vma write' },
  { name: 'vm_userfaultfd_ctx', word: USERFAULTFD_CTX, access: 'plain', guard: 'mmap write + vma write' },
  { name: 'swap_readahead_info', word: SWAP_READAHEAD_INFO, access: 'marked', guard: 'none: a hint' },
  { name: 'swap_readahead_info, window and hits', word: SWAP_READAHEAD_WINDOW, access: 'marked', guard: 'none: a hint' },
  { name: 'vm_private_data', word: VM_PRIVATE_DATA, access: 'plain', guard: 'before attach' },
  { name: 'anon_vma_chain', word: AVC_HEAD, access: 'plain', guard: 'mmap_lock + anon_vma lock' },
  { name: 'anon_vma_chain tail', word: AVC_TAIL, access: 'plain', guard: 'mmap_lock + anon_vma lock' },
  { name: 'shared.next', word: SHARED_NEXT, access: 'plain', guard: 'i_mmap lock' },
  { name: 'shared.prev', word: SHARED_PREV, access: 'plain', guard: 'i_mmap lock' },
  { name: 'rcu', word: RCU_HEAD, access: 'plain', guard: 'after detach' },
  { name: 'vm_lock', word: VM_LOCK, access: 'atomic', guard: 'itself' },
];
assert(1 << SHIFT === RECORD_WORDS.vma, 'vm_area_struct: the record has another size in memory/layout.ts');
assert(
  VMA_FIELDS.every((field) => field.word < RECORD_WORDS.vma),
  'vm_area_struct: a field lies outside the record',
);

const at = (vma: VmaId, field: number): number => (vma << SHIFT) + field;

/** First page. */
export const vm_start = (m: SharedMemory, vma: VmaId): Vpn => m.vmas[at(vma, VM_START)] as Vpn;
/** One past the last page. */
export const vm_end = (m: SharedMemory, vma: VmaId): Vpn => m.vmas[at(vma, VM_END)] as Vpn;
export const vm_flags = (m: SharedMemory, vma: VmaId): number => m.vmas[at(vma, VM_FLAGS)] as number;
/** Page offset in the file; for anonymous memory the page number at which the area was made. */
export const vm_pgoff = (m: SharedMemory, vma: VmaId): number => m.vmas[at(vma, VM_PGOFF)] as number;
export const vm_mm = (m: SharedMemory, vma: VmaId): MmId => m.vmas[at(vma, VM_MM)] as MmId;
export const vma_anon_vma = (m: SharedMemory, vma: VmaId): AnonVmaId => m.vmas[at(vma, ANON_VMA)] as AnonVmaId;
/** The same, asked while a fault of another CPU may give the area its first one: a marked read, old at once when it says none. */
export const vmaAnonVmaOnce = (cpu: Steps, m: SharedMemory, vma: VmaId): AnonVmaId =>
  READ_ONCE(cpu, (m.vmasAt + at(vma, ANON_VMA)) as Word) as AnonVmaId;
export const vm_file = (m: SharedMemory, vma: VmaId): MappingId => m.vmas[at(vma, VM_FILE)] as MappingId;
/** The userfaultfd context that the area is registered with, or NO_UFFD. */
export const vm_userfaultfd_ctx = (m: SharedMemory, vma: VmaId): UffdId => m.vmas[at(vma, USERFAULTFD_CTX)] as UffdId;
export const vm_private_data = (m: SharedMemory, vma: VmaId): number => m.vmas[at(vma, VM_PRIVATE_DATA)] as number;
export const vma_detached = (m: SharedMemory, vma: VmaId): boolean => m.vmas[at(vma, DETACHED)] !== 0;
export const vma_avc_head = (m: SharedMemory, vma: VmaId): AvcId => m.vmas[at(vma, AVC_HEAD)] as AvcId;
export const vma_avc_tail = (m: SharedMemory, vma: VmaId): AvcId => m.vmas[at(vma, AVC_TAIL)] as AvcId;
export const vma_shared_next = (m: SharedMemory, vma: VmaId): VmaId => m.vmas[at(vma, SHARED_NEXT)] as VmaId;
export const vma_shared_prev = (m: SharedMemory, vma: VmaId): VmaId => m.vmas[at(vma, SHARED_PREV)] as VmaId;

/** What swap read-ahead remembers of an area: the last page that it was asked for. */
export const swapReadaheadPageWord = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, SWAP_READAHEAD_INFO)) as Word;
/** And its window and the hits since: window * 64 + hits; 0 at first. */
export const swapReadaheadWindowWord = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, SWAP_READAHEAD_WINDOW)) as Word;

/** Pages of the area. @kernel vma_pages() */
export const vma_pages = (m: SharedMemory, vma: VmaId): number => vm_end(m, vma) - vm_start(m, vma);
/** No file behind it: the kernel's test is a missing vm_ops. */
export const vma_is_anonymous = (m: SharedMemory, vma: VmaId): boolean => vm_file(m, vma) === 0;
/** Index of a page of the area in its file, or in its anon_vma. @kernel linear_page_index() */
export const linear_page_index = (m: SharedMemory, vma: VmaId, vpn: Vpn): number => vpn - vm_start(m, vma) + vm_pgoff(m, vma);

/** Moves the bounds and the offset together. @locks in: mmap write and vma write, or not attached yet */
export function vma_set_range(m: SharedMemory, vma: VmaId, start: number, end: number, pgoff: number): void {
  m.vmas[at(vma, VM_START)] = start;
  m.vmas[at(vma, VM_END)] = end;
  m.vmas[at(vma, VM_PGOFF)] = pgoff;
}
/** @locks in: mmap write and vma write, or not attached yet */
export function vm_flags_reset(m: SharedMemory, vma: VmaId, flags: number): void {
  m.vmas[at(vma, VM_FLAGS)] = flags;
}
export function set_vm_mm(m: SharedMemory, vma: VmaId, mm: MmId): void {
  m.vmas[at(vma, VM_MM)] = mm;
}
export function set_vm_file(m: SharedMemory, vma: VmaId, file: MappingId): void {
  m.vmas[at(vma, VM_FILE)] = file;
}
/** @locks in: mmap write and vma write, or not attached yet */
export function set_vm_userfaultfd_ctx(m: SharedMemory, vma: VmaId, ctx: UffdId): void {
  m.vmas[at(vma, USERFAULTFD_CTX)] = ctx;
}
export function set_vm_private_data(m: SharedMemory, vma: VmaId, data: number): void {
  m.vmas[at(vma, VM_PRIVATE_DATA)] = data;
}
export function set_vma_anon_vma(m: SharedMemory, vma: VmaId, anonVma: AnonVmaId): void {
  m.vmas[at(vma, ANON_VMA)] = anonVma;
}
export function set_vma_detached(m: SharedMemory, vma: VmaId, detached: boolean): void {
  m.vmas[at(vma, DETACHED)] = detached ? 1 : 0;
}
export function set_vma_avc_list(m: SharedMemory, vma: VmaId, head: AvcId, tail: AvcId): void {
  m.vmas[at(vma, AVC_HEAD)] = head;
  m.vmas[at(vma, AVC_TAIL)] = tail;
}
export function set_vma_shared_links(m: SharedMemory, vma: VmaId, next: VmaId, prev: VmaId): void {
  m.vmas[at(vma, SHARED_NEXT)] = next;
  m.vmas[at(vma, SHARED_PREV)] = prev;
}
export function set_vma_shared_next(m: SharedMemory, vma: VmaId, next: VmaId): void {
  m.vmas[at(vma, SHARED_NEXT)] = next;
}
export function set_vma_shared_prev(m: SharedMemory, vma: VmaId, prev: VmaId): void {
  m.vmas[at(vma, SHARED_PREV)] = prev;
}

/** Words of the locks, for mm/vma_lock.ts. */
export const vmRefcntWord = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, VM_REFCNT)) as Word;
export const vmLockSeqWord = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, VM_LOCK_SEQ)) as Word;
export const vmMmWord = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, VM_MM)) as Word;
export const vmLockWord = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, VM_LOCK)) as Word;
export const vmDetachedWord = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, DETACHED)) as Word;
export const vmaAnonVmaWord = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, ANON_VMA)) as Word;
export const swapReadaheadInfoWord = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, SWAP_READAHEAD_INFO)) as Word;
export const vmaRcuHead = (m: SharedMemory, vma: VmaId): Word => (m.vmasAt + at(vma, RCU_HEAD)) as Word;

/** Clears everything but the lock words, which a late reader may still be looking at. */
export function clearVma(m: SharedMemory, vma: VmaId): void {
  m.vmas.fill(0, at(vma, VM_START), at(vma, VM_LOCK));
}

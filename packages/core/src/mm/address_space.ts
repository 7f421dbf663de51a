/**
 * address_space: the pages of one file, and the areas that map it.
 * @kernel include/linux/fs.h struct address_space, struct inode
 * @fidelity reduced: file and inode in one record; a size, a page tree, a list of areas
 * Next: mm/filemap.ts
 */
import { assert } from '../base/assert.ts';
import type { MappingId, VmaId, Word } from '../base/brand.ts';
import { NO_MAPPING, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { LOCK_I_MMAP } from '../locking/lock_class.ts';
import { down_write, RWSEM_WORDS, up_write } from '../locking/rwsem.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { MAPPING_CACHE } from '../slab/caches.ts';
import { kmem_cache_alloc, kmem_cache_free } from '../slab/kmem_cache.ts';
import {
  set_vma_shared_links,
  set_vma_shared_next,
  set_vma_shared_prev,
  vm_file,
  vma_shared_next,
  vma_shared_prev,
} from './vm_area_struct.ts';

const I_MMAP_RWSEM = 0;
const I_SIZE = 16;
const PAGES = 17;
const PAGES_LOCK = 18;
const NRPAGES = 19;
const I_MMAP_HEAD = 20;
const I_MMAP_COUNT = 21;
assert(I_SIZE >= RWSEM_WORDS && RECORD_WORDS.mapping > I_MMAP_COUNT, 'address_space: the record has another size in memory/layout.ts');

const at = (id: MappingId, field: number): number => id * RECORD_WORDS.mapping + field;
const word = (m: SharedMemory, id: MappingId, field: number): Word => (m.mappingsAt + at(id, field)) as Word;

/** Size of the file in pages. */
export const i_size = (m: SharedMemory, id: MappingId): number => m.mappings[at(id, I_SIZE)] as number;
export const nrpagesWord = (m: SharedMemory, id: MappingId): Word => word(m, id, NRPAGES);
export const nrpages = (m: SharedMemory, id: MappingId): number => m.mappings[at(id, NRPAGES)] as number;
export const pagesRoot = (m: SharedMemory, id: MappingId): Word => word(m, id, PAGES);
export const pagesLockWord = (m: SharedMemory, id: MappingId): Word => word(m, id, PAGES_LOCK);
/** Areas that map the file, as counted. Exact on an idle machine. */
export const i_mmap_count = (m: SharedMemory, id: MappingId): number => m.mappings[at(id, I_MMAP_COUNT)] as number;
export const i_mmapLockWord = (m: SharedMemory, id: MappingId): Word => word(m, id, I_MMAP_RWSEM);
/** First area that maps the file. @locks in: i_mmap, either way */
export const i_mmap_first = (m: SharedMemory, id: MappingId): VmaId => m.mappings[at(id, I_MMAP_HEAD)] as VmaId;
export const mapping_mapped = (m: SharedMemory, id: MappingId): boolean => i_mmap_first(m, id) !== NO_VMA;

/** A new file of that many pages. @returns NO_MAPPING when no slot is free */
export function createFile(cpu: Cpu, pages: number): MappingId {
  const m = cpu.memory;
  const id = kmem_cache_alloc(cpu, MAPPING_CACHE) as MappingId;
  if (id === NO_MAPPING) return NO_MAPPING;
  m.mappings.fill(0, at(id, 0), at((id + 1) as MappingId, 0));
  m.mappings[at(id, I_SIZE)] = pages;
  return id;
}

/** Gives the record back. The pages have been dropped before. */
export function freeFile(cpu: Cpu, id: MappingId): void {
  assert(!mapping_mapped(cpu.memory, id) && nrpages(cpu.memory, id) === 0, 'freeFile: the file is still mapped or has pages');
  kmem_cache_free(cpu, MAPPING_CACHE, id);
}

/** @locks out: i_mmap write. May sleep. */
export const i_mmap_lock_write = (cpu: Cpu, id: MappingId): void => down_write(cpu, word(cpu.memory, id, I_MMAP_RWSEM), LOCK_I_MMAP);
export const i_mmap_unlock_write = (cpu: Cpu, id: MappingId): void => up_write(cpu, word(cpu.memory, id, I_MMAP_RWSEM));

/** Adds an area to its file's list. @locks takes i_mmap for writing; may sleep @kernel vma_link_file() */
export function vma_link_file(cpu: Cpu, vma: VmaId): void {
  const m = cpu.memory;
  const file = vm_file(m, vma);
  if (file === NO_MAPPING) return;
  i_mmap_lock_write(cpu, file);
  const head = i_mmap_first(m, file);
  set_vma_shared_links(m, vma, head, NO_VMA);
  if (head !== NO_VMA) set_vma_shared_prev(m, head, vma);
  m.mappings[at(file, I_MMAP_HEAD)] = vma;
  i_mmap_unlock_write(cpu, file);
  atomic_fetch_add(cpu, word(m, file, I_MMAP_COUNT), 1); // Alone: a count.
}

/** Takes an area off its file's list. @locks takes i_mmap for writing; may sleep @kernel unlink_file_vma() */
export function unlink_file_vma(cpu: Cpu, vma: VmaId): void {
  const m = cpu.memory;
  const file = vm_file(m, vma);
  if (file === NO_MAPPING) return;
  i_mmap_lock_write(cpu, file);
  const next = vma_shared_next(m, vma);
  const prev = vma_shared_prev(m, vma);
  if (prev !== NO_VMA) set_vma_shared_next(m, prev, next);
  else m.mappings[at(file, I_MMAP_HEAD)] = next;
  if (next !== NO_VMA) set_vma_shared_prev(m, next, prev);
  i_mmap_unlock_write(cpu, file);
  atomic_fetch_add(cpu, word(m, file, I_MMAP_COUNT), -1); // Alone: a count.
}

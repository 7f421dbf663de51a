/**
 * An area and its file: the list of areas by which a page of the file finds the entries that map it, and the area's reference to the file.
 * @kernel mm/vma.c vma_link_file(), unlink_file_vma(); vma->vm_file
 * @fidelity reduced: a list instead of an interval tree; an area takes its reference when it is linked, not when it is made
 * Next: mm/fput.ts
 */
import type { VmaId } from '../base/brand.ts';
import { NO_MAPPING, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { get_file, i_mmap_first, i_mmap_lock_write, i_mmap_unlock_write, i_mmapCountWord, set_i_mmap_first } from './address_space.ts';
import { fput } from './fput.ts';
import {
  set_vma_shared_links,
  set_vma_shared_next,
  set_vma_shared_prev,
  vm_file,
  vma_shared_next,
  vma_shared_prev,
} from './vm_area_struct.ts';

/** Adds an area to its file's list, and counts it. The caller knows that the file is alive. @locks takes i_mmap for writing; may sleep */
export function vma_link_file(cpu: Cpu, vma: VmaId): void {
  const file = vm_file(cpu.memory, vma);
  if (file === NO_MAPPING) return;
  i_mmap_lock_write(cpu, file);
  __vma_link_file(cpu, vma);
  i_mmap_unlock_write(cpu, file);
}

/** As vma_link_file(). @locks in: i_mmap for writing, when the area has a file */
export function __vma_link_file(cpu: Cpu, vma: VmaId): void {
  const m = cpu.memory;
  const file = vm_file(m, vma);
  if (file === NO_MAPPING) return;
  get_file(cpu, file);
  const head = i_mmap_first(m, file);
  set_vma_shared_links(m, vma, head, NO_VMA);
  if (head !== NO_VMA) set_vma_shared_prev(m, head, vma);
  set_i_mmap_first(m, file, vma);
  atomic_fetch_add(cpu, i_mmapCountWord(m, file), 1); // Alone: a count.
}

/**
 * Takes an area off its file's list and drops its reference: the file of shared anonymous memory may be gone then, so its pages must be out of
 * the page tables before. @locks takes i_mmap for writing, in: nothing below mmap_lock and VMA locks; may sleep
 */
export function unlink_file_vma(cpu: Cpu, vma: VmaId): void {
  const file = vm_file(cpu.memory, vma);
  if (file === NO_MAPPING) return;
  i_mmap_lock_write(cpu, file);
  __remove_shared_vm_struct(cpu, vma);
  i_mmap_unlock_write(cpu, file);
  fput(cpu, file);
}

/** Takes an area off its file's list; its reference to the file stays. @locks in: i_mmap for writing, when the area has a file */
export function __remove_shared_vm_struct(cpu: Cpu, vma: VmaId): void {
  const m = cpu.memory;
  const file = vm_file(m, vma);
  if (file === NO_MAPPING) return;
  const next = vma_shared_next(m, vma);
  const prev = vma_shared_prev(m, vma);
  if (prev !== NO_VMA) set_vma_shared_next(m, prev, next);
  else set_i_mmap_first(m, file, next);
  if (next !== NO_VMA) set_vma_shared_prev(m, next, prev);
  atomic_fetch_add(cpu, i_mmapCountWord(m, file), -1); // Alone: a count.
}

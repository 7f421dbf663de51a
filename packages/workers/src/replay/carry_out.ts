/**
 * Carries out an operation of a trace that is not a fault, on the address space that the CPU runs on.
 * Next: replay_cpu.ts
 */
import { type MappingId, NO_MAPPING, NO_VMA, type Vpn } from '@faultlab/core/base/brand';
import { EEXIST } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { mas_find } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import { vm_start } from '@faultlab/core/mm/vm_area_struct';
import { sys_brk } from '@faultlab/core/syscalls/brk';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { fileAt } from './replay_map.ts';
import { type CallStep, NO_FILE, type ReplayMap } from './replay_program.ts';

/** The model's file for one of the plan. */
export const mappingOf = (cpu: Cpu, map: ReplayMap, file: number): MappingId =>
  file === NO_FILE ? NO_MAPPING : (cpu.memory.user[fileAt(map, file)] as MappingId);

/** @returns what the call returned: a page, 0, or a negative error number */
export function carryOutCall(cpu: Cpu, map: ReplayMap, step: CallStep): number {
  switch (step.call) {
    case 'mmap':
      return sys_mmap(cpu, step.at, step.pages, step.prot, step.flags, mappingOf(cpu, map, step.file), step.pgoff);
    case 'munmap':
      return sys_munmap(cpu, step.at, step.pages);
    case 'mprotect':
      return sys_mprotect(cpu, step.at, step.pages, step.prot);
    case 'mremap':
      if (step.chosen && !isFree(cpu, step.newAt, step.newPages)) return EEXIST;
      return sys_mremap(cpu, step.at, step.pages, step.newPages, step.flags, step.newAt);
    case 'madvise':
      return sys_madvise(cpu, step.at, step.pages, step.advice);
    case 'brk':
      return sys_brk(cpu, step.at);
    case 'refused':
      return step.answer;
  }
}

/** Only this CPU changes the space now, by the order of the trace. */
function isFree(cpu: Cpu, at: number, pages: number): boolean {
  const vma = mas_find(cpu, mmTree(cpu.memory, cpu.mm), at as Vpn);
  return vma === NO_VMA || vm_start(cpu.memory, vma) >= at + pages;
}

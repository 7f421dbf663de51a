/**
 * Areas that the kernel makes on its own: the segments and the stack of a new program, the vdso, what was there before the recording, and
 * whatever came about by a call that is not recorded.
 * @kernel fs/binfmt_elf.c, fs/exec.c setup_arg_pages(); mm/vma.c _install_special_mapping()
 * @fidelity reduced: the finished area at once; a special area is anonymous memory that never merges
 * Next: carry_out.ts
 */
import { type MappingId, NO_MAPPING, NO_VMA, type Vpn } from '@faultlab/core/base/brand';
import { EINTR, ENOMEM } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { lock_mm_and_find_vma } from '@faultlab/core/fault/lock_mm_and_find_vma';
import { mas_find, mas_walk } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import { mmap_read_unlock, mmap_write_lock_killable, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import { vm_end, vm_file, vm_flags, vm_pgoff, vm_start } from '@faultlab/core/mm/vm_area_struct';
import {
  VM_DONTEXPAND,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from '@faultlab/core/mm/vm_flags';
import { mmap_region } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { protBits } from '../perf_script/layout.ts';
import { type AreaStyle, type ModelArea, NO_FILE } from './replay_program.ts';

/** Makes the area, in the address space that the CPU runs on, over whatever is there. @returns 0 or an errno */
export function makeKernelArea(cpu: Cpu, area: ModelArea, style: AreaStyle, file: MappingId): number {
  if (style === 'stack' && stackEndsAt(cpu, area.end)) return growStackTo(cpu, area.start);
  if (style === 'segment') unmapRest(cpu, area.start);
  else if (isCovered(cpu, area, file)) return sys_mprotect(cpu, area.start, area.end - area.start, protBits(area.prot));
  if (mmap_write_lock_killable(cpu, cpu.mm) !== 0) return EINTR;
  const pgoff = area.file === NO_FILE ? area.start : area.pgoff;
  const result = mmap_region(cpu, cpu.mm, area.start as Vpn, area.end - area.start, flagsOf(area, style), file, pgoff, []);
  mmap_write_unlock(cpu, cpu.mm);
  return Math.min(result, 0);
}

/**
 * The first mapping of a program that may lie anywhere is as long as all its segments together, to find a place for them; what is not its
 * own is unmapped again before the next segment comes, and nobody reports that. @kernel fs/binfmt_elf.c elf_load()
 */
function unmapRest(cpu: Cpu, start: number): void {
  const vma = mas_walk(cpu, mmTree(cpu.memory, cpu.mm), start as Vpn);
  if (vma !== NO_VMA) sys_munmap(cpu, start, vm_end(cpu.memory, vma) - start);
}

function flagsOf(area: ModelArea, style: AreaStyle): number {
  let flags = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if (area.prot[0] === 'r') flags |= VM_READ;
  if (area.prot[1] === 'w') flags |= VM_WRITE;
  if (area.prot[2] === 'x') flags |= VM_EXEC;
  if (area.prot[3] === 's' && area.file !== NO_FILE) flags |= VM_SHARED | VM_MAYSHARE;
  if (style === 'stack') flags |= VM_GROWSDOWN;
  if (style === 'special') flags |= VM_DONTEXPAND;
  return flags;
}

/** Only this CPU changes the space now, by the order of the trace; faults of others change nothing that is looked at here. */
function stackEndsAt(cpu: Cpu, end: number): boolean {
  const vma = mas_walk(cpu, mmTree(cpu.memory, cpu.mm), (end - 1) as Vpn);
  return vma !== NO_VMA && vm_end(cpu.memory, vma) === end && (vm_flags(cpu.memory, vma) & VM_GROWSDOWN) !== 0;
}

function growStackTo(cpu: Cpu, start: number): number {
  if (lock_mm_and_find_vma(cpu, cpu.mm, start as Vpn) === NO_VMA) return ENOMEM;
  mmap_read_unlock(cpu, cpu.mm);
  return 0;
}

/** Does that part of the file lie there already? Then a call that is not recorded has changed what they allow, and their pages stay. */
function isCovered(cpu: Cpu, area: ModelArea, file: MappingId): boolean {
  const m = cpu.memory;
  for (let at = area.start; at < area.end; ) {
    const vma = mas_find(cpu, mmTree(m, cpu.mm), at as Vpn);
    if (vma === NO_VMA || vm_start(m, vma) > at || vm_file(m, vma) !== file) return false;
    if (file !== NO_MAPPING && vm_pgoff(m, vma) - vm_start(m, vma) !== area.pgoff - area.start) return false;
    at = vm_end(m, vma);
  }
  return true;
}

/**
 * Where a new mapping goes when the caller does not say: the highest hole below mmap_base, else the lowest anywhere.
 * @kernel mm/mmap.c arch_get_unmapped_area_topdown(), vm_unmapped_area()
 * @fidelity reduced: no colour or huge-page alignment
 * Next: syscalls/mmap.ts
 */
import type { MmId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { mas_empty_area, mas_empty_area_rev, mas_find } from '../mm/maple_tree.ts';
import { mmap_base, mmTree } from '../mm/mm_struct.ts';
import { MMAP_MIN_VPN, STACK_GUARD_GAP, TASK_SIZE_VPN } from '../mm/mman.ts';
import { vm_flags, vm_start } from '../mm/vm_area_struct.ts';
import { VM_GROWSDOWN } from '../mm/vm_flags.ts';

/** First page that must stay free below an area: a stack keeps a gap. @kernel vm_start_gap() */
export function vm_start_gap(cpu: Cpu, vma: number): number {
  const m = cpu.memory;
  const start = vm_start(m, vma as never);
  return (vm_flags(m, vma as never) & VM_GROWSDOWN) !== 0 ? Math.max(0, start - STACK_GUARD_GAP) : start;
}

/**
 * A free range of `len` pages: at the hint if it is free, otherwise as high as possible below mmap_base.
 * @locks in: mmap write. @returns its first page, or ENOMEM
 */
export function get_unmapped_area(cpu: Cpu, mm: MmId, hint: number, len: number): Vpn | typeof ENOMEM {
  if (len > TASK_SIZE_VPN - MMAP_MIN_VPN) return ENOMEM;
  const tree = mmTree(cpu.memory, mm);
  if (hint >= MMAP_MIN_VPN && hint + len <= TASK_SIZE_VPN && isFree(cpu, mm, hint, len)) return hint as Vpn;
  const base = Math.min(mmap_base(cpu.memory, mm), TASK_SIZE_VPN);
  for (let ceiling = base; ceiling - len >= MMAP_MIN_VPN; ) {
    const start = mas_empty_area_rev(cpu, tree, MMAP_MIN_VPN as Vpn, ceiling as Vpn, len);
    if (start < 0) break;
    if (isFree(cpu, mm, start, len)) return start as Vpn;
    // The hole ends in a stack's guard gap: look below it.
    ceiling = start + len - 1;
  }
  const start = mas_empty_area(cpu, tree, base as Vpn, TASK_SIZE_VPN as Vpn, len);
  return start >= 0 && isFree(cpu, mm, start, len) ? (start as Vpn) : ENOMEM;
}

function isFree(cpu: Cpu, mm: MmId, start: number, len: number): boolean {
  const above = mas_find(cpu, mmTree(cpu.memory, mm), start as Vpn);
  return above === NO_VMA || vm_start_gap(cpu, above) >= start + len;
}

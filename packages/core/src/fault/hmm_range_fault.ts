/**
 * A device asks for a range of an address space to be faulted in, under the caller's mmap_lock, which stays: no ALLOW_RETRY, so every wait is a wait with
 * the lock. Proposals to let it be dropped exist; none is merged.
 * @kernel mm/hmm.c hmm_range_fault(), hmm_vma_fault()
 * @fidelity reduced: the pages are faulted in; no notifiers, and no list of frames for the device
 * Next: fault/handle_mm_fault.ts
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { EFAULT, EPERM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { mas_walk } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import { mmap_assert_locked } from '../mm/mmap_lock.ts';
import { vm_end, vm_flags } from '../mm/vm_area_struct.ts';
import { VM_WRITE } from '../mm/vm_flags.ts';
import { count_vm_event, FAULTS_GUP } from '../trace/counters.ts';
import { FOLL_WRITE } from './foll_flags.ts';
import { follow_page_pte, NOT_THERE } from './follow_page.ts';
import { handle_mm_fault } from './handle_mm_fault.ts';
import { FAULT_FLAG_REMOTE, FAULT_FLAG_WRITE, VM_FAULT_ERROR } from './vm_fault.ts';

/** @locks in and out: mmap_lock. May sleep with it. @returns 0, EFAULT, or EPERM for a write that the area forbids */
export function hmm_range_fault(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, write: boolean): number {
  mmap_assert_locked(cpu, mm);
  const m = cpu.memory;
  let vma: VmaId = NO_VMA;
  for (let page = start as number; page < end; page++) {
    const vpn = page as Vpn;
    if (vma === NO_VMA || vpn >= vm_end(m, vma)) vma = mas_walk(cpu, mmTree(m, mm), vpn);
    if (vma === NO_VMA) return EFAULT;
    if (write && (vm_flags(m, vma) & VM_WRITE) === 0) return EPERM;
    while (follow_page_pte(cpu, mm, vpn, write ? FOLL_WRITE : 0) === NOT_THERE) {
      if (!hmm_vma_fault(cpu, vma, vpn, write)) return EFAULT;
    }
  }
  return 0;
}

function hmm_vma_fault(cpu: Cpu, vma: VmaId, vpn: Vpn, write: boolean): boolean {
  count_vm_event(cpu, FAULTS_GUP);
  const result = handle_mm_fault(cpu, vma, vpn, FAULT_FLAG_REMOTE | (write ? FAULT_FLAG_WRITE : 0));
  return (result & VM_FAULT_ERROR) === 0;
}

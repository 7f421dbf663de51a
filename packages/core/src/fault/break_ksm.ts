/**
 * Giving an address space its own copy of a page that it shares with others, under the caller's mmap_lock, which stays: no ALLOW_RETRY.
 * @kernel mm/ksm.c break_ksm()
 * @fidelity reduced: pages are shared by fork here, never by merging equal contents
 * Next: fault/do_wp_page.ts
 */
import type { VmaId, Vpn } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { vm_mm } from '../mm/vm_area_struct.ts';
import { count_vm_event, FAULTS_GUP } from '../trace/counters.ts';
import { FOLL_PIN } from './foll_flags.ts';
import { mustUnshare } from './follow_page.ts';
import { handle_mm_fault } from './handle_mm_fault.ts';
import { FAULT_FLAG_REMOTE, FAULT_FLAG_UNSHARE, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_FAULT_SIGSEGV } from './vm_fault.ts';

/** @locks in and out: mmap_lock. May sleep with it. @returns 0, also when the page is not shared or not there, or ENOMEM */
export function break_ksm(cpu: Cpu, vma: VmaId, vpn: Vpn): number {
  const mm = vm_mm(cpu.memory, vma);
  while (mustUnshare(cpu, mm, vpn, FOLL_PIN)) {
    count_vm_event(cpu, FAULTS_GUP);
    const result = handle_mm_fault(cpu, vma, vpn, FAULT_FLAG_UNSHARE | FAULT_FLAG_REMOTE);
    if ((result & VM_FAULT_OOM) !== 0) return ENOMEM;
    if ((result & (VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV)) !== 0) return 0; // Somebody else will find out why.
  }
  return 0;
}

/**
 * The kernel touches user memory for a task: copies to and from the running address space, and accesses to another one through GUP.
 * @kernel arch/x86/lib/usercopy.c copy_to_user(); mm/process_vm_access.c
 * @fidelity reduced: one page and one stamp at a time
 * Next: fault/gup.ts
 */
import type { MmId, Vpn } from '../base/brand.ts';
import { EFAULT } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { FOLL_PIN, FOLL_WRITE, get_user_page } from '../fault/gup.ts';
import { NO_FOLIO, readStamp, writeStamp, ZERO_PFN } from '../mm/folio.ts';
import { unpin_user_page } from '../mm/page_alloc.ts';
import { ACCESS_OK, kernelModeAccess } from './access.ts';

/** copy_from_user of one page; the stamp is in cpu.value. @returns 0 or EFAULT. May sleep in a kernel-mode fault */
export function kernelRead(cpu: Cpu, vpn: Vpn): number {
  return kernelModeAccess(cpu, vpn, false, 0) === ACCESS_OK ? 0 : EFAULT;
}

/** copy_to_user of one page. @returns 0 or EFAULT. May sleep in a kernel-mode fault */
export function kernelWrite(cpu: Cpu, vpn: Vpn, stamp: number): number {
  return kernelModeAccess(cpu, vpn, true, stamp) === ACCESS_OK ? 0 : EFAULT;
}

/** process_vm_readv of one page; the stamp is in cpu.value. The caller keeps the address space alive. @returns 0 or an errno. May sleep */
export function processVmRead(cpu: Cpu, mm: MmId, vpn: Vpn): number {
  const { error, pfn } = get_user_page(cpu, mm, vpn, FOLL_PIN);
  if (error !== 0) return error;
  cpu.value = readStamp(cpu, pfn === NO_FOLIO ? ZERO_PFN : pfn);
  if (pfn !== NO_FOLIO) unpin_user_page(cpu, pfn);
  return 0;
}

/** process_vm_writev of one page. The caller keeps the address space alive. @returns 0 or an errno. May sleep */
export function processVmWrite(cpu: Cpu, mm: MmId, vpn: Vpn, stamp: number): number {
  const { error, pfn } = get_user_page(cpu, mm, vpn, FOLL_PIN | FOLL_WRITE);
  if (error !== 0) return error;
  writeStamp(cpu, pfn, stamp);
  unpin_user_page(cpu, pfn);
  return 0;
}

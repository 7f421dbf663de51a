/**
 * The kernel touches user memory for a task: copies to and from the running address space, and accesses to another one through GUP.
 * @kernel arch/x86/lib/usercopy.c copy_to_user(); mm/process_vm_access.c
 * @fidelity reduced: one page and one stamp at a time
 * Next: user/process_vm_access.ts has whole ranges
 */
import type { MmId, Vpn } from '../base/brand.ts';
import { EFAULT } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { ACCESS_OK, kernelModeAccess } from './access.ts';
import { process_vm_readv, process_vm_writev } from './process_vm_access.ts';

/** copy_from_user of one page; the stamp is in cpu.value. @returns 0 or EFAULT. May sleep in a kernel-mode fault */
export function kernelRead(cpu: Cpu, vpn: Vpn): number {
  return kernelModeAccess(cpu, vpn, false, 0) === ACCESS_OK ? 0 : EFAULT;
}

/** copy_to_user of one page. @returns 0 or EFAULT. May sleep in a kernel-mode fault */
export function kernelWrite(cpu: Cpu, vpn: Vpn, stamp: number): number {
  return kernelModeAccess(cpu, vpn, true, stamp) === ACCESS_OK ? 0 : EFAULT;
}

/** process_vm_readv of one page; the stamp is in cpu.value. The caller keeps the address space alive. @returns 0 or EFAULT. May sleep */
export function processVmRead(cpu: Cpu, mm: MmId, vpn: Vpn): number {
  const stamps: number[] = [];
  const read = process_vm_readv(cpu, mm, vpn, 1, stamps);
  if (read === 1) cpu.value = stamps[0] as number;
  return Math.min(read, 0);
}

/** process_vm_writev of one page. The caller keeps the address space alive. @returns 0 or EFAULT. May sleep */
export function processVmWrite(cpu: Cpu, mm: MmId, vpn: Vpn, stamp: number): number {
  return Math.min(process_vm_writev(cpu, mm, vpn, [stamp]), 0);
}

/**
 * Does the area forbid the access? Each architecture asks the flags of the area in its own way, and the order of release and signal differs.
 * @kernel arch/x86/mm/fault.c access_error(), bad_area_access_error(); arch/arm64/mm/fault.c, arch/riscv/mm/fault.c, arch/s390/mm/fault.c, ...
 * @fidelity reduced: no protection keys, so the helper has nothing to look up in the area while it still has its lock
 * Next: fault/do_user_addr_fault.ts
 */
import type { VmaId } from '../../base/brand.ts';
import type { Cpu } from '../../cpu.ts';
import { vm_flags } from '../../mm/vm_area_struct.ts';
import { VM_ACCESS_FLAGS, VM_EXEC, VM_READ, VM_WRITE } from '../../mm/vm_flags.ts';
import { vma_end_read } from '../../mm/vma_lock.ts';
import { MUTANT_B40 } from '../../mutants/ids.ts';
import type { ReadNeeds } from '../../policy/arch_entry.ts';
import { at, IN_BAD_AREA } from '../../trace/points.ts';
import { X86_PF_INSTR, X86_PF_PROT, X86_PF_WRITE } from './error_code.ts';

/** @locks in: VMA read or mmap read */
export function access_error(cpu: Cpu, vma: VmaId, errorCode: number): boolean {
  const flags = vm_flags(cpu.memory, vma);
  if ((errorCode & X86_PF_WRITE) !== 0) return (flags & VM_WRITE) === 0;
  // A read of a present page faulted: no change of the tables can make it legal.
  if ((errorCode & X86_PF_PROT) !== 0 && cpu.entry.presentReadDenied) return true;
  if ((errorCode & X86_PF_INSTR) !== 0) return (flags & VM_EXEC) === 0;
  return (flags & readMask(cpu.entry.readNeeds)) === 0;
}

function readMask(needs: ReadNeeds): number {
  switch (needs) {
    case 'any':
      return VM_ACCESS_FLAGS;
    case 'read':
      return VM_READ;
    case 'read-write':
      return VM_READ | VM_WRITE;
    case 'read-exec':
      return VM_READ | VM_EXEC;
  }
}

/** The denied access of a VMA-lock attempt: makes the signal out, and the lock is gone afterwards. @locks in: VMA read. out: nothing. R9 */
export function denyUnderVmaLock(cpu: Cpu, vma: VmaId): void {
  if (cpu.mutant === MUTANT_B40) return;
  if (cpu.entry.releasesVmaLockOnDenial) {
    vma_end_read(cpu, vma);
    at(cpu, IN_BAD_AREA);
  } else bad_area_access_error(cpu, vma);
}

/** @locks in: VMA read. out: nothing */
function bad_area_access_error(cpu: Cpu, vma: VmaId): void {
  at(cpu, IN_BAD_AREA);
  vma_end_read(cpu, vma);
}

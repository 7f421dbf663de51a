/**
 * What goes into a fault attempt, what comes out, and which combinations are legal.
 * @kernel include/linux/mm_types.h (FAULT_FLAG_*, VM_FAULT_*), include/linux/mm.h struct vm_fault, fault_flag_allow_retry_first()
 * @fidelity faithful for the values; RETRY_VMA, which is a proposal, has a bit that mainline does not use, so that no other value moves
 * Next: fault/do_user_addr_fault.ts
 */
import { invariant } from '../base/assert.ts';
import type { MappingId, MmId, Pfn, Pte, TableId, VmaId, Vpn } from '../base/brand.ts';
import { NO_MAPPING, NO_TABLE, NO_VMA } from '../base/brand.ts';
import { NO_FOLIO } from '../mm/folio.ts';
import { PTE_NONE } from '../mm/pte.ts';

export const FAULT_FLAG_WRITE = 0x1;
export const FAULT_FLAG_MKWRITE = 0x2;
export const FAULT_FLAG_ALLOW_RETRY = 0x4;
export const FAULT_FLAG_RETRY_NOWAIT = 0x8;
export const FAULT_FLAG_KILLABLE = 0x10;
export const FAULT_FLAG_TRIED = 0x20;
export const FAULT_FLAG_USER = 0x40;
export const FAULT_FLAG_REMOTE = 0x80;
export const FAULT_FLAG_INSTRUCTION = 0x100;
export const FAULT_FLAG_INTERRUPTIBLE = 0x200;
export const FAULT_FLAG_UNSHARE = 0x400;
export const FAULT_FLAG_ORIG_PTE_VALID = 0x800;
export const FAULT_FLAG_VMA_LOCK = 0x1000;
export const FAULT_FLAG_DEFAULT: number = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE | FAULT_FLAG_INTERRUPTIBLE;

export const VM_FAULT_OOM = 0x000001;
export const VM_FAULT_SIGBUS = 0x000002;
export const VM_FAULT_MAJOR = 0x000004;
/**
 * With RETRY: the next attempt may run under the VMA lock. The proposal gave it 0x800 and moved the values behind; here it has the bit that WRITE had
 * until 6.2.
 */
export const VM_FAULT_RETRY_VMA = 0x000008;
export const VM_FAULT_HWPOISON = 0x000010;
export const VM_FAULT_HWPOISON_LARGE = 0x000020;
export const VM_FAULT_SIGSEGV = 0x000040;
export const VM_FAULT_NOPAGE = 0x000100;
/** The handler returned its folio locked. Left over in the final result, where it means nothing. */
export const VM_FAULT_LOCKED = 0x000200;
/** The fault lock was dropped: start over. */
export const VM_FAULT_RETRY = 0x000400;
export const VM_FAULT_FALLBACK = 0x000800;
export const VM_FAULT_DONE_COW = 0x001000;
export const VM_FAULT_NEEDDSYNC = 0x002000;
/** The fault lock was dropped, and the fault is finished. */
export const VM_FAULT_COMPLETED = 0x004000;
export const VM_FAULT_ERROR: number =
  VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV | VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE | VM_FAULT_FALLBACK;

/** A result of one attempt: a set of VM_FAULT_* bits. */
export type VmFaultBits = number;

/** First attempt of a fault that may be tried again: it may drop the lock to be polite. */
export const fault_flag_allow_retry_first = (flags: number): boolean =>
  (flags & (FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_TRIED)) === FAULT_FLAG_ALLOW_RETRY;

/** The area as an attempt found it: see fault/attempt_checks.ts. */
export interface AttemptSeen {
  readonly vma: VmaId;
  readonly mm: MmId;
  readonly generation: number;
  readonly stamp: number;
}

/** One attempt at one fault. Not shared: it lives on the CPU that faults. */
export class VmFault {
  /** The area; NO_VMA once its lock was dropped, so that any later use shows. */
  vma: VmaId;
  readonly vpn: Vpn;
  /** FAULT_FLAG_*. Only do_page_mkwrite() changes them, for as long as the file is asked. */
  flags: number;
  /** Index of the page in its file. */
  readonly pgoff: number;
  /** PTE table of the page, NO_TABLE while it has none. */
  table: TableId = NO_TABLE;
  /** The entry as it was at the start: every later comparison is with this. */
  orig_pte: Pte = PTE_NONE;
  /** Folio found for the fault, with a reference, or NO_FOLIO. */
  page: Pfn = NO_FOLIO;
  /** Frame for a private copy, or NO_FOLIO. */
  cow_page: Pfn = NO_FOLIO;
  /** The file that the attempt keeps a reference to since it dropped its lock for I/O, or NO_MAPPING. @kernel fpin */
  fpin: MappingId = NO_MAPPING;
  /** With cpu.verify: what must still be true at the end. */
  seen: AttemptSeen | null = null;

  constructor(vma: VmaId, vpn: Vpn, flags: number, pgoff: number) {
    this.vma = vma;
    this.vpn = vpn;
    this.flags = flags;
    this.pgoff = pgoff;
  }
}

/** I12: the flags of an attempt. Called before anything else happens. */
export function checkFaultFlags(flags: number): void {
  const has = (bit: number): boolean => (flags & bit) !== 0;
  invariant(has(FAULT_FLAG_ALLOW_RETRY) || !has(FAULT_FLAG_TRIED), 'I12', 'TRIED without ALLOW_RETRY');
  invariant(has(FAULT_FLAG_ALLOW_RETRY) || !has(FAULT_FLAG_RETRY_NOWAIT), 'I12', 'RETRY_NOWAIT without ALLOW_RETRY');
  invariant(
    !(has(FAULT_FLAG_VMA_LOCK) && has(FAULT_FLAG_RETRY_NOWAIT)),
    'I12',
    'VMA_LOCK with RETRY_NOWAIT: a retry under the VMA lock always drops it',
  );
  invariant(!(has(FAULT_FLAG_UNSHARE) && has(FAULT_FLAG_WRITE)), 'I12', 'UNSHARE with WRITE');
  invariant(!has(FAULT_FLAG_VMA_LOCK) || has(FAULT_FLAG_USER), 'I14', 'a VMA-lock attempt that is not for a user access');
}

/** I13: the result of an attempt, given its flags. */
export function checkFaultResult(flags: number, result: VmFaultBits): void {
  const has = (bit: number): boolean => (result & bit) !== 0;
  const dropped = has(VM_FAULT_RETRY) || has(VM_FAULT_COMPLETED);
  invariant(!(has(VM_FAULT_RETRY) && has(VM_FAULT_COMPLETED)), 'I13', 'RETRY and COMPLETED together');
  invariant(!(dropped && has(VM_FAULT_ERROR)), 'I13', 'RETRY or COMPLETED together with an error');
  invariant(!has(VM_FAULT_RETRY_VMA) || has(VM_FAULT_RETRY), 'I13', 'RETRY_VMA without RETRY');
  invariant(
    !has(VM_FAULT_RETRY_VMA) || (flags & FAULT_FLAG_VMA_LOCK) !== 0,
    'I13',
    'RETRY_VMA from an attempt that was not under the VMA lock',
  );
  invariant(!has(VM_FAULT_RETRY_VMA) || (flags & FAULT_FLAG_TRIED) === 0, 'I13', 'RETRY_VMA from a later attempt');
  invariant(!has(VM_FAULT_COMPLETED) || (flags & FAULT_FLAG_RETRY_NOWAIT) === 0, 'I13', 'COMPLETED although RETRY_NOWAIT was set');
  invariant(!dropped || (flags & FAULT_FLAG_ALLOW_RETRY) !== 0, 'I13', 'RETRY or COMPLETED although ALLOW_RETRY was clear');
  invariant(!has(VM_FAULT_COMPLETED) || (flags & FAULT_FLAG_TRIED) === 0, 'I13', 'COMPLETED on a later attempt');
  invariant(!has(VM_FAULT_FALLBACK) && !has(VM_FAULT_NEEDDSYNC), 'I13', 'an internal result bit left the fault handler');
}

/** The attempt ended with its lock gone. */
export const faultLockDropped = (flags: number, result: VmFaultBits): boolean =>
  (result & VM_FAULT_COMPLETED) !== 0 || ((result & VM_FAULT_RETRY) !== 0 && (flags & FAULT_FLAG_RETRY_NOWAIT) === 0);

/** The area of an attempt whose lock is still held. I10 otherwise. */
export function liveVma(vmf: VmFault): VmaId {
  invariant(vmf.vma !== NO_VMA, 'I10', 'an area is used after its lock was dropped');
  return vmf.vma;
}

/**
 * What an entry makes of the result of an attempt under mmap_lock: which bit it asks first.
 *
 *   bits          the usual entry    s390
 *   COMPLETED     completed          completed
 *   ERROR         -                  error
 *   RETRY         retry              retry
 *   ERROR         error              -
 *
 * For legal results the order makes no difference: I13 keeps RETRY and ERROR apart, and this is why it has to.
 * @kernel arch/x86/mm/fault.c do_user_addr_fault(), arch/s390/mm/fault.c do_exception()
 * @fidelity faithful
 * Next: fault/do_user_addr_fault.ts
 */
import type { EntryRules } from '../../policy/arch_entry.ts';
import { VM_FAULT_COMPLETED, VM_FAULT_ERROR, VM_FAULT_RETRY, type VmFaultBits } from '../vm_fault.ts';

/** completed, retry: mmap_lock is gone (but for a RETRY with RETRY_NOWAIT). error, done: the entry releases it. */
export type Answer = 'completed' | 'retry' | 'error' | 'done';

export function answerOf(rules: EntryRules, result: VmFaultBits): Answer {
  if ((result & VM_FAULT_COMPLETED) !== 0) return 'completed';
  const error = (result & VM_FAULT_ERROR) !== 0;
  if (error && rules.errorBeforeRetry) return 'error';
  if ((result & VM_FAULT_RETRY) !== 0) return 'retry';
  return error ? 'error' : 'done';
}

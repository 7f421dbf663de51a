/** Policies that claims compare besides the named ones. */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';

/** A named policy with some fields changed. */
export const changed = (name: string, changes: Partial<FaultPolicy>): FaultPolicy => ({ ...policyByName(name), ...changes });

/** mmap_lock only, and it is never dropped for I/O: what there was before 2010. */
export const MMAP_HOLD: FaultPolicy = changed('linux-6.0', { name: 'linux-6.0, lock held over I/O', fileWait: 'hold', anonWait: 'hold' });

/** mmap_lock only; a first attempt drops it for I/O. */
export const MMAP_DROP: FaultPolicy = policyByName('linux-6.0');

export const MAINLINE: FaultPolicy = policyByName('linux-6.18');
export const RETRY_VMA: FaultPolicy = policyByName('retry-vma');
export const RETRY_VMA_UPTODATE: FaultPolicy = policyByName('retry-vma-uptodate');
export const HOLD: FaultPolicy = policyByName('hold');

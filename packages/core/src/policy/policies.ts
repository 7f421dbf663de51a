/**
 * The named policies, as far as anonymous memory tells them apart.
 * Next: policy/fault_policy.ts explains each field.
 */
import { UsageError } from '../base/errors.ts';
import type { FaultPolicy } from './fault_policy.ts';

const LINUX_6_18: FaultPolicy = {
  name: 'linux-6.18',
  summary: 'per-VMA locks by reference count; the reference, and the kernel behind the recorded behaviour',
  vmaLock: 'refcount',
  vmaLockFor: 'all',
  anonVmaUnderVmaLock: true,
  retries: 'many',
  accounting: 'finished',
  triedAfterMajor: true,
};

const LINUX_6_4: FaultPolicy = {
  name: 'linux-6.4',
  summary: 'the first per-VMA locks: a rwsem and a sequence number per area, only for areas that have an anon_vma already',
  vmaLock: 'rwsem',
  vmaLockFor: 'anonymous',
  anonVmaUnderVmaLock: false,
  retries: 'many',
  accounting: 'finished',
  triedAfterMajor: false,
};

const LINUX_5_7: FaultPolicy = {
  name: 'linux-5.7',
  summary: 'mmap_lock only, any number of retries, page faults counted at every attempt',
  vmaLock: 'none',
  vmaLockFor: 'all',
  anonVmaUnderVmaLock: false,
  retries: 'many',
  accounting: 'every-attempt',
  triedAfterMajor: false,
};

const LINUX_5_4: FaultPolicy = {
  ...LINUX_5_7,
  name: 'linux-5.4',
  summary: 'mmap_lock only, one retry',
  retries: 'one',
};

export const POLICIES: readonly FaultPolicy[] = [LINUX_5_4, LINUX_5_7, LINUX_6_4, LINUX_6_18];

/** @throws UsageError naming the known policies */
export function policyByName(name: string): FaultPolicy {
  const found = POLICIES.find((policy) => policy.name === name);
  if (found === undefined) {
    throw new UsageError(`There is no policy "${name}"; choose one of ${POLICIES.map((policy) => policy.name).join(', ')}.`);
  }
  return found;
}

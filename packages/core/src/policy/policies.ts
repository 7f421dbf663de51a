/**
 * The named policies: kernels of the past, the reference, and the proposals of the discussion.
 * Next: policy/fault_policy.ts explains each field.
 */
import { UsageError } from '../base/errors.ts';
import type { FaultPolicy } from './fault_policy.ts';

const LINUX_6_18: FaultPolicy = {
  name: 'linux-6.18',
  summary: 'per-VMA locks by reference count; the reference, and the kernel behind the recorded behaviour',
  release: '6.18',
  vmaLock: 'refcount',
  vmaLockSwap: true,
  vmaLockUserfault: true,
  vmaLockFile: 'yes',
  anonVmaUnderVmaLock: true,
  retries: 'many',
  completed: true,
  accounting: 'finished',
  triedAfterMajor: true,
  fileWait: 'retry',
  anonWait: 'retry',
  uptodateRule: 'none',
  otherRetries: 'mmap',
};

const LINUX_6_12: FaultPolicy = {
  ...LINUX_6_18,
  name: 'linux-6.12',
  summary: 'every kind of fault under the VMA lock, which is a rwsem and a sequence number per area',
  release: '6.12',
  vmaLock: 'rwsem',
};

const LINUX_6_6: FaultPolicy = {
  ...LINUX_6_12,
  name: 'linux-6.6',
  summary: 'swap and userfaultfd under the VMA lock as well; of files only what is resident and can be mapped around',
  release: '6.6',
  vmaLockFile: 'map-pages',
  anonVmaUnderVmaLock: false,
  triedAfterMajor: false,
};

const LINUX_6_4: FaultPolicy = {
  ...LINUX_6_6,
  name: 'linux-6.4',
  summary: 'the first per-VMA locks: plain anonymous faults, only in areas that have an anon_vma already',
  release: '6.4',
  vmaLockSwap: false,
  vmaLockUserfault: false,
  vmaLockFile: 'no',
};

const LINUX_6_0: FaultPolicy = {
  ...LINUX_6_4,
  name: 'linux-6.0',
  summary: 'mmap_lock only, any number of retries, page faults counted at every attempt; dirty throttling ends with COMPLETED',
  release: '6.0',
  vmaLock: 'none',
  accounting: 'every-attempt',
};

const LINUX_5_7: FaultPolicy = {
  ...LINUX_6_0,
  name: 'linux-5.7',
  summary: 'mmap_lock only, any number of retries, page faults counted at every attempt; a retry after dirty throttling',
  release: '5.7',
  completed: false,
};

const LINUX_5_4: FaultPolicy = {
  ...LINUX_5_7,
  name: 'linux-5.4',
  summary: 'mmap_lock only, one retry',
  release: '5.4',
  retries: 'one',
};

const RETRY_VMA: FaultPolicy = {
  ...LINUX_6_18,
  name: 'retry-vma',
  summary: 'proposal of November 2025: after waiting for I/O, try again under the VMA lock (VM_FAULT_RETRY_VMA)',
  fileWait: 'retry-vma',
  anonWait: 'retry-vma',
};

const RETRY_VMA_UPTODATE: FaultPolicy = {
  ...RETRY_VMA,
  name: 'retry-vma-uptodate',
  summary: 'its second version: besides, the lock is kept when the page is up to date and only locked',
  uptodateRule: 'uptodate',
};

const RETRY_VMA_UPTODATE_WRITEBACK: FaultPolicy = {
  ...RETRY_VMA,
  name: 'retry-vma-uptodate-writeback',
  summary: 'the same as reviewed: the lock is kept when the page is up to date and not being written',
  uptodateRule: 'uptodate-not-writeback',
};

const HOLD: FaultPolicy = {
  ...LINUX_6_18,
  name: 'hold',
  summary: 'the lock is never dropped over I/O',
  fileWait: 'hold',
  anonWait: 'hold',
};

const HOLD_FILE: FaultPolicy = {
  ...LINUX_6_18,
  name: 'hold-file',
  summary: 'the lock is held over I/O on files, and anonymous memory is tried again under the VMA lock',
  fileWait: 'hold',
  anonWait: 'retry-vma',
};

const REACQUIRE: FaultPolicy = {
  ...LINUX_6_18,
  name: 'reacquire',
  summary: 'drop the VMA lock over I/O, lock the page, take the VMA lock again, check everything and map in place',
  fileWait: 'reacquire',
  anonWait: 'reacquire',
};

const SPLIT_FLAGS: FaultPolicy = {
  ...RETRY_VMA,
  name: 'split-flags',
  summary: 'RETRY is two flags: again under the VMA lock, which is the rule, and "needs mmap_lock"',
  otherRetries: 'vma',
};

export const POLICIES: readonly FaultPolicy[] = [
  LINUX_5_4,
  LINUX_5_7,
  LINUX_6_0,
  LINUX_6_4,
  LINUX_6_6,
  LINUX_6_12,
  LINUX_6_18,
  RETRY_VMA,
  RETRY_VMA_UPTODATE,
  RETRY_VMA_UPTODATE_WRITEBACK,
  HOLD,
  HOLD_FILE,
  REACQUIRE,
  SPLIT_FLAGS,
];

/** @throws UsageError naming the known policies */
export function policyByName(name: string): FaultPolicy {
  const found = POLICIES.find((policy) => policy.name === name);
  if (found === undefined) {
    throw new UsageError(`There is no policy "${name}"; choose one of ${POLICIES.map((policy) => policy.name).join(', ')}.`);
  }
  return found;
}

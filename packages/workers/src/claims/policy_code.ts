/**
 * The code of a page fault of user code under each policy, in lines and branches of the compiled modules of core's fault/ and of the VMA lock, and the
 * places that end an attempt with RETRY. Made by scripts/policy_code.mjs.
 */
export interface PolicyCode {
  readonly policy: string;
  readonly lines: number;
  /** Decisions that the record of the policy leaves open. */
  readonly branches: number;
  readonly retries: number;
}

export const POLICY_CODE: readonly PolicyCode[] = [
  { policy: 'linux-5.4', lines: 1267, branches: 424, retries: 15 },
  { policy: 'linux-5.7', lines: 1267, branches: 424, retries: 15 },
  { policy: 'linux-6.0', lines: 1267, branches: 424, retries: 15 },
  { policy: 'linux-6.4', lines: 1466, branches: 481, retries: 19 },
  { policy: 'linux-6.6', lines: 1459, branches: 478, retries: 18 },
  { policy: 'linux-6.12', lines: 1460, branches: 479, retries: 18 },
  { policy: 'linux-6.18', lines: 1460, branches: 479, retries: 18 },
  { policy: 'retry-vma', lines: 1461, branches: 481, retries: 19 },
  { policy: 'retry-vma-uptodate', lines: 1465, branches: 484, retries: 19 },
  { policy: 'retry-vma-uptodate-writeback', lines: 1465, branches: 484, retries: 19 },
  { policy: 'hold', lines: 1421, branches: 465, retries: 17 },
  { policy: 'hold-file', lines: 1437, branches: 470, retries: 19 },
  { policy: 'reacquire', lines: 1496, branches: 492, retries: 20 },
  { policy: 'split-flags', lines: 1461, branches: 482, retries: 20 },
];

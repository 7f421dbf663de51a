/**
 * A proposal of your own against the reference: the same story of cold file readers under both, and what it did to mmap_lock.
 * The record below says what the fault path does when it has to wait; everything else is as in Linux 6.18.
 */
import { policyByName } from '@faultlab/core/policy/policies';
import { runScenario } from '@faultlab/workers';

const reference = policyByName('linux-6.18');
const mine = {
  ...reference,
  name: 'mine',
  summary: 'hold the lock over I/O on files, try anonymous memory again under the VMA lock',
  fileWait: 'hold',
  anonWait: 'retry-vma',
} as const;

for (const policy of [reference, mine]) {
  const { verdict, counters } = await runScenario('cold_readers', { cpus: 3, seconds: 2, seed: 1, policy });
  const { vma_lock_success, vma_lock_retry, mmap_attempts, lock_dropped_for_io, pgmajfault } = counters;
  console.log({ policy: policy.name, verdict, vma_lock_success, vma_lock_retry, mmap_attempts, lock_dropped_for_io, pgmajfault });
}

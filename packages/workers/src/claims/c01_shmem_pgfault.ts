/** C1: the retry after a shared write to shmem shows in the count of page faults. */
import type { Vpn } from '@faultlab/core/base/brand';
import { FILE_SHMEM } from '@faultlab/core/mm/address_space';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { PGFAULT } from '@faultlab/core/trace/counters';
import { userWrite } from '@faultlab/core/user/access';
import { OneThreadMachine } from '../fault_kinds/one_thread_machine.ts';
import { type Claim, judgeAll, said } from './claim.ts';
import { changed } from './variants.ts';

const PAGES = 256;

/** One count for each page that is written for the first time, through a shared mapping. */
function countsPerPage(policy: FaultPolicy): number {
  const machine = new OneThreadMachine(policy);
  const { cpu } = machine;
  const area = machine.map(PAGES, { file: machine.file({ pages: PAGES, kind: FILE_SHMEM }), shared: true });
  const before = cpu.words[cpu.percpu + PGFAULT] as number;
  for (let page = 0; page < PAGES; page++) userWrite(cpu, (area + page) as Vpn, page + 1);
  return ((cpu.words[cpu.percpu + PGFAULT] as number) - before) / PAGES;
}

export const C1: Claim<'oldRetry' | 'oldCompleted' | 'newRetry' | 'newCompleted'> = {
  id: 'C1',
  title: 'A shared write to shmem counts as two page faults, and as one with COMPLETED',
  claim:
    'The first write to a page of shmem drops mmap_lock for dirty throttling and is tried again, so pgfault counts 2 for each page; with VM_FAULT_COMPLETED it counts 1.',
  source: 'Peter Xu, commit message of the VM_FAULT_COMPLETED patch, 5 May 2022',
  setup: `One thread writes ${PAGES} pages of shmem, each once, under mmap_lock: linux-5.7 and linux-6.0, which has COMPLETED; and both again with the accounting of 6.4, which counts finished faults.`,
  expected: 'Exactly 2 without and 1 with COMPLETED by the accounting of its time; exactly 1 in both by that of 6.4.',
  cannotTell: 'Nothing: the counts follow from the order of the steps, which the model shares with the kernel.',
  decidedBy: 'counts',
  figures: {
    oldRetry: { name: 'pgfault for each page, without COMPLETED', unit: 'counts' },
    oldCompleted: { name: 'pgfault for each page, with COMPLETED', unit: 'counts' },
    newRetry: { name: 'the same without COMPLETED, accounting of 6.4', unit: 'counts' },
    newCompleted: { name: 'the same with COMPLETED, accounting of 6.4', unit: 'counts' },
  },
  async measure() {
    return {
      oldRetry: countsPerPage(policyByName('linux-5.7')),
      oldCompleted: countsPerPage(policyByName('linux-6.0')),
      newRetry: countsPerPage(changed('linux-5.7', { accounting: 'finished' })),
      newCompleted: countsPerPage(changed('linux-6.0', { accounting: 'finished' })),
    };
  },
  judge: ({ oldRetry, oldCompleted, newRetry, newCompleted }) =>
    judgeAll([
      { what: `${said(oldRetry)} counts a page without COMPLETED`, met: oldRetry === 2 },
      { what: `${said(oldCompleted)} with it`, met: oldCompleted === 1 },
      { what: `${said(newRetry)} and ${said(newCompleted)} by the accounting of 6.4`, met: newRetry === 1 && newCompleted === 1 },
    ]),
};

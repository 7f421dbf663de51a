/** C15: an attempt that may not drop its lock any more is throttled with it. */
import { assert } from '@faultlab/core/base/assert';
import type { Vpn } from '@faultlab/core/base/brand';
import { writebackStep } from '@faultlab/core/io/writeback';
import { PC_WAIT_KIND, WAIT_DIRTY } from '@faultlab/core/memory/percpu';
import { FILE_DISK } from '@faultlab/core/mm/address_space';
import { DEFAULT_SYSCTL, setSysctl } from '@faultlab/core/mm/vm_sysctl';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { userWrite } from '@faultlab/core/user/access';
import { type FaultLock, FILE_DEVICE, OneThreadMachine } from '../fault_kinds/one_thread_machine.ts';
import { type Claim, judgeAll } from './claim.ts';
import { MAINLINE, MMAP_DROP, RETRY_VMA } from './variants.ts';

const PAGES = 64;
const PAGE = 40;
/** Figures are numbers. */
const LOCKS: readonly FaultLock[] = ['none', 'vma', 'mmap'];
const lockName = (number: number): string => ['no lock', 'the VMA lock', 'mmap_lock'][number] ?? 'nothing known';

/**
 * The lock that is held over the pause, when one page of a file is written through a shared mapping while too much is dirty.
 * @param resident the page is in memory, so that the first attempt gets to the pause
 */
function lockInPause(policy: FaultPolicy, resident: boolean): number {
  const machine = new OneThreadMachine(policy);
  const { cpu } = machine;
  const file = machine.file({ pages: PAGES, kind: FILE_DISK, device: FILE_DEVICE, raPages: 16 });
  const area = machine.map(PAGES, { file, shared: true });
  if (resident) {
    for (let index = 0; index < PAGES; index++) sys_read(cpu, file, index);
    machine.drain();
  }
  setSysctl(cpu.memory, { dirtyThresh: 0, dirtyBackground: 0 });
  const found: number[] = [];
  machine.takeWaits();
  if (!resident) machine.whenIdle(() => machine.drain()); // The read.
  machine.whenIdle(() => {
    assert(cpu.words[cpu.percpu + PC_WAIT_KIND] === WAIT_DIRTY, 'c15: this is not the pause');
    found.push(LOCKS.indexOf(machine.takeWaits().at(-1) ?? 'none'));
    writebackStep(machine.other);
    machine.drain();
    // Write-back takes the right to write away, so the access faults once more: not into another pause.
    setSysctl(cpu.memory, { dirtyThresh: DEFAULT_SYSCTL.dirtyThresh });
  });
  userWrite(cpu, (area + PAGE) as Vpn, 1);
  assert(found.length === 1, 'c15: nobody paused');
  return found[0] as number;
}

export const C15: Claim<'first60' | 'later60' | 'first618' | 'later618' | 'laterRetryVma'> = {
  id: 'C15',
  title: 'An attempt that was tried before keeps its lock while it is throttled',
  claim:
    'COMPLETED is still subject to the limit of retries: a fault that was tried again because its page had to be read does not drop mmap_lock for dirty throttling, although it safely could.',
  source: 'Johannes Weiner on the VM_FAULT_COMPLETED patch, 6 May 2022',
  setup:
    'One thread writes a page of a file through a shared mapping while too many pages are dirty: once with the page in memory, so that the first attempt is throttled, and once with the page absent, so that the second one is. Who waits, holding what, is looked at in the pause.',
  expected:
    'No lock in the pause of a first attempt, mmap_lock in that of a later one, under linux-6.0 and linux-6.18. Under retry-vma it is reported only.',
  cannotTell: 'How long real pauses are, and how often a write fault finds its page absent and the limit reached.',
  decidedBy: 'counts',
  figures: {
    first60: { name: 'linux-6.0, first attempt: lock in the pause', unit: '0 none, 1 VMA, 2 mmap_lock' },
    later60: { name: 'linux-6.0, later attempt: lock in the pause', unit: '0 none, 1 VMA, 2 mmap_lock' },
    first618: { name: 'linux-6.18, first attempt: lock in the pause', unit: '0 none, 1 VMA, 2 mmap_lock' },
    later618: { name: 'linux-6.18, later attempt: lock in the pause', unit: '0 none, 1 VMA, 2 mmap_lock' },
    laterRetryVma: { name: 'retry-vma, later attempt: lock in the pause', unit: '0 none, 1 VMA, 2 mmap_lock' },
  },
  async measure() {
    return {
      first60: lockInPause(MMAP_DROP, true),
      later60: lockInPause(MMAP_DROP, false),
      first618: lockInPause(MAINLINE, true),
      later618: lockInPause(MAINLINE, false),
      laterRetryVma: lockInPause(RETRY_VMA, false),
    };
  },
  judge: ({ first60, later60, first618, later618, laterRetryVma }) =>
    judgeAll(
      [
        { what: `first attempts pause with ${lockName(first60)} and ${lockName(first618)}`, met: first60 === 0 && first618 === 0 },
        { what: `later attempts pause with ${lockName(later60)} and ${lockName(later618)}`, met: later60 === 2 && later618 === 2 },
      ],
      `Under retry-vma a later attempt pauses with ${lockName(laterRetryVma)}.`,
    ),
};

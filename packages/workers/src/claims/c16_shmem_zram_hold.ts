/** C16: two kinds of fault hold their lock over I/O today already. */
import { assert } from '@faultlab/core/base/assert';
import type { SwapId, Vpn } from '@faultlab/core/base/brand';
import { swapon } from '@faultlab/core/mm/swapfile';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { OneThreadMachine, SWAP_DEVICE } from '../fault_kinds/one_thread_machine.ts';
import { type Claim, judgeAll, said } from './claim.ts';
import { HOLD, MAINLINE } from './variants.ts';

const PAGES = 8;

interface Where {
  readonly shmem: boolean;
  readonly synchronous: boolean;
}

/** How many waits of a fault on a page in swap hold its lock, of all of them: 1 is all, 0 none. */
function heldShare(policy: FaultPolicy, { shmem, synchronous }: Where): number {
  const machine = new OneThreadMachine(policy);
  swapon(machine.cpu.memory, 0 as SwapId, { device: SWAP_DEVICE, synchronous });
  const area = machine.map(PAGES, { shared: shmem });
  for (let page = 0; page < PAGES; page++) userWrite(machine.cpu, (area + page) as Vpn, page + 1);
  squeezeAll(machine.cpu);
  machine.drain();
  machine.takeWaits();
  assert(userRead(machine.cpu, area) === 0, 'c16: the page could not be read');
  const waits = machine.takeWaits();
  assert(waits.length > 0, 'c16: the fault did not wait');
  return waits.filter((lock) => lock !== 'none').length / waits.length;
}

type Key = 'shmem' | 'zram' | 'disk' | 'shmem66' | 'holdDisk';

export const C16: Claim<Key> = {
  id: 'C16',
  title: 'Faults on shmem and on synchronous swap hold their lock over I/O already',
  claim:
    'Faults on pages of shmem that are in swap, and on anonymous pages in a synchronous swap area such as zram, wait for their I/O with the lock held: for them every kernel behaves like the proposal to hold.',
  source: 'specification of the model, rows 34 and 46 of its table 4.12, from mm/shmem.c and mm/memory.c of 6.12',
  setup:
    'One thread reads a page that is in swap, under linux-6.18: of shmem, of private memory in a synchronous area, and of private memory in an asynchronous one. In each wait of the fault is looked at whether it holds its lock. Besides, shmem under linux-6.6, and the asynchronous area under hold.',
  expected:
    'All waits with the lock for shmem and for the synchronous area, none for the asynchronous one, under linux-6.18; all for shmem under linux-6.6; all for the asynchronous area under hold.',
  cannotTell: 'How long these waits are: zram is memory, and decompresses in microseconds.',
  decidedBy: 'counts',
  figures: {
    shmem: { name: 'linux-6.18, shmem in swap: waits with the lock held', unit: 'share' },
    zram: { name: 'linux-6.18, synchronous swap: waits with the lock held', unit: 'share' },
    disk: { name: 'linux-6.18, asynchronous swap: waits with the lock held', unit: 'share' },
    shmem66: { name: 'linux-6.6, shmem in swap: waits with the lock held', unit: 'share' },
    holdDisk: { name: 'hold, asynchronous swap: waits with the lock held', unit: 'share' },
  },
  async measure() {
    return {
      shmem: heldShare(MAINLINE, { shmem: true, synchronous: false }),
      zram: heldShare(MAINLINE, { shmem: false, synchronous: true }),
      disk: heldShare(MAINLINE, { shmem: false, synchronous: false }),
      shmem66: heldShare(policyByName('linux-6.6'), { shmem: true, synchronous: false }),
      holdDisk: heldShare(HOLD, { shmem: false, synchronous: false }),
    };
  },
  judge: ({ shmem, zram, disk, shmem66, holdDisk }) =>
    judgeAll([
      {
        what: `the lock is held in ${said(shmem)} of the waits for shmem and ${said(zram)} of those for a synchronous area`,
        met: shmem === 1 && zram === 1,
      },
      { what: `in ${said(disk)} of those for an asynchronous area`, met: disk === 0 },
      { what: `in ${said(shmem66)} for shmem under linux-6.6`, met: shmem66 === 1 },
      { what: `in ${said(holdDisk)} for an asynchronous area under hold`, met: holdDisk === 1 },
    ]),
};

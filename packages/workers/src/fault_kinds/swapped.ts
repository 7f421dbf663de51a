/** Faults on pages that are in swap or on their way from there, and on pages of shmem there. */
import { assert } from '@faultlab/core/base/assert';
import type { Pfn, SwapId, Vpn } from '@faultlab/core/base/brand';
import { folio_get } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { MADV_PAGEOUT } from '@faultlab/core/mm/mman';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { findPteTable, ptep_get, pteWord } from '@faultlab/core/mm/page_table';
import { pte_pfn } from '@faultlab/core/mm/pte';
import { swapon } from '@faultlab/core/mm/swapfile';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { processVmRead } from '@faultlab/core/user/kernel_access';
import type { FaultKind } from './fault_kind.ts';
import { type OneThreadMachine, SWAP_DEVICE, SYNC_SWAP_DEVICE } from './one_thread_machine.ts';

const PAGES = 8;
const SWAP = 0 as SwapId;

type Where = 'asynchronous' | 'synchronous';

function swapAreaOn(machine: OneThreadMachine, where: Where): void {
  const device = where === 'synchronous' ? SYNC_SWAP_DEVICE : SWAP_DEVICE;
  swapon(machine.cpu.memory, SWAP, { device, synchronous: where === 'synchronous' });
}

/** Written pages; the first one is in swap afterwards, and nowhere else unless it is to stay in the swap cache. */
function swappedArea(machine: OneThreadMachine, where: Where, how: { readonly shared?: boolean; readonly cached?: boolean } = {}): Vpn {
  swapAreaOn(machine, where);
  const area = machine.map(PAGES, { shared: how.shared ?? false });
  for (let page = 0; page < PAGES; page++) userWrite(machine.cpu, (area + page) as Vpn, page + 1);
  if (how.cached === true) {
    assert(sys_madvise(machine.cpu, area, 1, MADV_PAGEOUT) === 0, 'fault_kinds: the page could not be pushed out');
    return area;
  }
  squeezeAll(machine.cpu);
  machine.drain();
  return area;
}

/** The page is in the swap cache and being written: up to date, not locked; the other CPU locks it until the faulting CPU waits. */
function lockedInCache(machine: OneThreadMachine): Vpn {
  swapAreaOn(machine, 'asynchronous');
  const area = machine.map(PAGES);
  userWrite(machine.cpu, area, 1);
  const { cpu, other } = machine;
  const pfn = pte_pfn(ptep_get(cpu, pteWord(cpu.memory, findPteTable(cpu, machine.mm, area), area))) as Pfn;
  folio_get(other, pfn); // Keeps it in the swap cache.
  sys_madvise(cpu, area, 1, MADV_PAGEOUT);
  machine.drain();
  folio_lock(other, pfn);
  machine.whenIdle(() => {
    folio_unlock(other, pfn);
    folio_put(other, pfn);
  });
  return area;
}

export const SWAP_KINDS: readonly FaultKind[] = [
  {
    name: 'swap: in the swap cache, free',
    rows: [30],
    prepare: (machine) => {
      const area = swappedArea(machine, 'asynchronous', { cached: true });
      return () => userRead(machine.cpu, area);
    },
  },
  {
    name: 'swap: in the swap cache, locked by another',
    rows: [31],
    prepare: (machine) => {
      const area = lockedInCache(machine);
      return () => userRead(machine.cpu, area);
    },
  },
  {
    name: 'swap: on an asynchronous device',
    rows: [32, 33],
    prepare: (machine) => {
      const area = swappedArea(machine, 'asynchronous');
      return () => userRead(machine.cpu, area);
    },
  },
  {
    name: 'swap: on a synchronous device',
    rows: [34],
    prepare: (machine) => {
      const area = swappedArea(machine, 'synchronous');
      return () => userRead(machine.cpu, area);
    },
  },
  {
    name: 'swap: on an asynchronous device, by GUP',
    rows: [32, 33],
    prepare: (machine) => {
      const area = swappedArea(machine, 'asynchronous');
      return () => processVmRead(machine.cpu, machine.mm, area);
    },
  },
  {
    name: 'shmem: page in swap',
    rows: [46],
    prepare: (machine) => {
      const area = swappedArea(machine, 'asynchronous', { shared: true });
      return () => userRead(machine.cpu, area);
    },
  },
];

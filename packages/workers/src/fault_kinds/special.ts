/** Faults on entries that are neither empty nor present nor in swap, on a driver's buffer, and those that user space resolves. */
import { assert } from '@faultlab/core/base/assert';
import type { Pfn, UffdId, Vpn } from '@faultlab/core/base/brand';
import { FILE_DRIVER } from '@faultlab/core/mm/address_space';
import { put_anon_vma } from '@faultlab/core/mm/anon_vma';
import { makeDeviceExclusive } from '@faultlab/core/mm/device_exclusive';
import { dma_fence_signal, dmaFenceBegin } from '@faultlab/core/mm/dma_fence';
import { folio_get, folio_index, folioMapping } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { migrateToDevice } from '@faultlab/core/mm/migrate_device';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { findPteTable, ptep_get, pteWord } from '@faultlab/core/mm/page_table';
import { pte_pfn } from '@faultlab/core/mm/pte';
import { folio_get_anon_vma } from '@faultlab/core/mm/rmap_places';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { remove_migration_ptes, try_to_migrate } from '@faultlab/core/mm/try_to_migrate';
import type { UserfaultMessage } from '@faultlab/core/mm/userfaultfd_wait';
import { taskNumaWork } from '@faultlab/core/syscalls/change_prot_numa';
import { sys_userfaultfd } from '@faultlab/core/syscalls/userfaultfd';
import { userfaultfd_copy, userfaultfd_writeprotect } from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { userfaultfd_ctx_read } from '@faultlab/core/syscalls/userfaultfd_read';
import { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, userfaultfd_register } from '@faultlab/core/syscalls/userfaultfd_register';
import { userRead, userWrite } from '@faultlab/core/user/access';
import type { FaultKind } from './fault_kind.ts';
import type { OneThreadMachine } from './one_thread_machine.ts';

const PAGES = 8;

/** An anonymous area whose first page has been written. */
function writtenArea(machine: OneThreadMachine): Vpn {
  const area = machine.map(PAGES);
  userWrite(machine.cpu, area, 1);
  return area;
}

const frameOf = ({ cpu, mm }: OneThreadMachine, vpn: Vpn): Pfn =>
  pte_pfn(ptep_get(cpu, pteWord(cpu.memory, findPteTable(cpu, mm, vpn), vpn)));

/** The other CPU is moving the page, and is done when the faulting CPU waits for it. */
function beingMoved(machine: OneThreadMachine, vpn: Vpn): void {
  const { other } = machine;
  const pfn = frameOf(machine, vpn);
  const mapping = folioMapping(other, pfn);
  const index = folio_index(other.memory, pfn);
  folio_lock(other, pfn);
  folio_get(other, pfn);
  const anonVma = folio_get_anon_vma(other, pfn);
  try_to_migrate(other, pfn, mapping, index);
  machine.whenIdle(() => {
    remove_migration_ptes(other, pfn, pfn, mapping, index);
    folio_unlock(other, pfn);
    put_anon_vma(other, anonVma);
    folio_put(other, pfn);
  });
}

/** The area is registered, and the other CPU answers one fault when the faulting CPU waits. */
function answered(machine: OneThreadMachine, area: Vpn, mode: number, answer: (ctx: UffdId, message: UserfaultMessage) => number): void {
  const { cpu, other } = machine;
  const ctx = sys_userfaultfd(cpu) as UffdId;
  assert(ctx > 0 && userfaultfd_register(cpu, ctx, area, PAGES, mode) === 0, 'fault_kinds: the area could not be registered');
  if (mode === UFFDIO_REGISTER_MODE_WP) userfaultfd_writeprotect(cpu, ctx, area, PAGES, true);
  machine.whenIdle(() => {
    switch_mm(other, machine.mm);
    const message = userfaultfd_ctx_read(other, ctx, 0);
    assert(typeof message === 'object' && answer(ctx, message) >= 0, 'fault_kinds: the fault could not be answered');
  });
}

export const SPECIAL_KINDS: readonly FaultKind[] = [
  {
    name: 'userfaultfd: missing page, copied by a handler',
    rows: [36],
    prepare: (machine) => {
      const area = machine.map(PAGES);
      userWrite(machine.cpu, (area + PAGES - 1) as Vpn, 1);
      answered(machine, area, UFFDIO_REGISTER_MODE_MISSING, (ctx, { vpn }) => userfaultfd_copy(machine.other, ctx, vpn, 1, 7));
      return () => userRead(machine.cpu, area);
    },
  },
  {
    name: 'userfaultfd: write-protected page',
    rows: [29, 36],
    prepare: (machine) => {
      const area = writtenArea(machine);
      answered(machine, area, UFFDIO_REGISTER_MODE_WP, (ctx, { vpn }) => userfaultfd_writeprotect(machine.other, ctx, vpn, 1, false));
      return () => userWrite(machine.cpu, area, 2);
    },
  },
  {
    name: 'migration entry',
    rows: [38],
    prepare: (machine) => {
      const area = writtenArea(machine);
      beingMoved(machine, area);
      return () => userWrite(machine.cpu, area, 2);
    },
  },
  {
    name: 'device-private page',
    rows: [39, 40],
    prepare: (machine) => {
      const area = writtenArea(machine);
      assert(migrateToDevice(machine.cpu, machine.mm, area) === 0, 'fault_kinds: the page could not be moved to the device');
      return () => userWrite(machine.cpu, area, 2);
    },
  },
  {
    name: 'device-exclusive page, locked by another',
    rows: [41],
    prepare: (machine) => {
      const area = writtenArea(machine);
      const pfn = frameOf(machine, area);
      assert(makeDeviceExclusive(machine.cpu, machine.mm, area) === 0, 'fault_kinds: the page could not be made exclusive');
      folio_get(machine.other, pfn);
      folio_lock(machine.other, pfn);
      machine.whenIdle(() => {
        folio_unlock(machine.other, pfn);
        folio_put(machine.other, pfn);
      });
      return () => userWrite(machine.cpu, area, 2);
    },
  },
  {
    name: 'NUMA hint',
    rows: [43],
    prepare: (machine) => {
      const area = writtenArea(machine);
      taskNumaWork(machine.cpu, area, PAGES);
      return () => userWrite(machine.cpu, area, 2);
    },
  },
  {
    name: 'driver: buffer that the device is done with',
    rows: [10, 45],
    prepare: (machine) => {
      const file = machine.file({ pages: PAGES, kind: FILE_DRIVER });
      const area = machine.map(PAGES, { file, shared: true });
      return () => userWrite(machine.cpu, area, 1);
    },
  },
  {
    name: 'driver: buffer that the device is at work on',
    rows: [10, 45],
    prepare: (machine) => {
      const file = machine.file({ pages: PAGES, kind: FILE_DRIVER });
      const area = machine.map(PAGES, { file, shared: true });
      dmaFenceBegin(machine.cpu, file);
      machine.whenIdle(() => dma_fence_signal(machine.other, file));
      return () => userWrite(machine.cpu, area, 1);
    },
  },
];

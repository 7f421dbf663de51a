/** Faults on pages of shmem: those that wait do it under any policy alike. */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { FILE_SHMEM } from '@faultlab/core/mm/address_space';
import { filemap_get_folio } from '@faultlab/core/mm/filemap';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { beginPunch, endPunch } from '@faultlab/core/mm/shmem_punch';
import { sys_write } from '@faultlab/core/syscalls/file_rw';
import { userRead, userWrite } from '@faultlab/core/user/access';
import type { FaultKind } from './fault_kind.ts';
import type { OneThreadMachine } from './one_thread_machine.ts';

const PAGES = 4;

function shmemArea(machine: OneThreadMachine): { readonly file: MappingId; readonly area: Vpn } {
  const file = machine.file({ pages: PAGES, kind: FILE_SHMEM });
  return { file, area: machine.map(PAGES, { file, shared: true }) };
}

export const SHMEM_KINDS: readonly FaultKind[] = [
  {
    name: 'shmem: write, hole',
    rows: [24],
    prepare: (machine) => {
      const { area } = shmemArea(machine);
      return () => userWrite(machine.cpu, area, 1);
    },
  },
  {
    name: 'shmem: write, dirty already',
    rows: [25],
    prepare: (machine) => {
      const { area, file } = shmemArea(machine);
      sys_write(machine.cpu, file, 0, 1);
      return () => userWrite(machine.cpu, area, 2);
    },
  },
  {
    name: 'shmem: write, locked by another',
    rows: [46, 25],
    prepare: (machine) => {
      const { area, file } = shmemArea(machine);
      sys_write(machine.cpu, file, 0, 1);
      const pfn = filemap_get_folio(machine.other, file, 0);
      folio_lock(machine.other, pfn);
      machine.whenIdle(() => {
        folio_unlock(machine.other, pfn);
        folio_put(machine.other, pfn);
      });
      return () => userWrite(machine.cpu, area, 2);
    },
  },
  {
    name: 'shmem: read, hole that is being punched',
    rows: [44],
    prepare: (machine) => {
      const { area, file } = shmemArea(machine);
      beginPunch(machine.other, file, 0, PAGES);
      machine.whenIdle(() => endPunch(machine.other, file));
      return () => userRead(machine.cpu, area);
    },
  },
];

/** Faults on pages of files on a disk. */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { FILE_DISK } from '@faultlab/core/mm/address_space';
import { filemap_get_folio } from '@faultlab/core/mm/filemap';
import { folioSet, PG_readahead } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { MADV_RANDOM, PROT_READ } from '@faultlab/core/mm/mman';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { userRead, userWrite } from '@faultlab/core/user/access';
import type { FaultKind } from './fault_kind.ts';
import { FILE_DEVICE, type OneThreadMachine, READ_WRITE } from './one_thread_machine.ts';

/** Larger than the window of fault-around. */
const PAGES = 64;
/** A page that no window which begins at 0 reaches. */
const FAR = 40;

const diskFile = (machine: OneThreadMachine): MappingId =>
  machine.file({ pages: PAGES, kind: FILE_DISK, device: FILE_DEVICE, raPages: 16 });

/** Brings the pages into the page cache, and into nobody's page table. */
function makeResident(machine: OneThreadMachine, file: MappingId): void {
  for (let index = 0; index < PAGES; index++) sys_read(machine.cpu, file, index);
  machine.drain();
}

interface FileArea {
  readonly file: MappingId;
  readonly page: Vpn;
}

function fileArea(
  machine: OneThreadMachine,
  how: { readonly shared?: boolean; readonly prot?: number; readonly resident?: boolean } = {},
): FileArea {
  const file = diskFile(machine);
  if (how.resident === true) makeResident(machine, file);
  const { shared = true, prot = READ_WRITE } = how;
  const area = machine.map(PAGES, { file, shared, prot });
  return { file, page: (area + FAR) as Vpn };
}

/** The other CPU holds the page's lock, and lets it go when the faulting CPU waits for it. */
function lockedByAnother(machine: OneThreadMachine, { file }: FileArea): void {
  const pfn = filemap_get_folio(machine.other, file, FAR);
  folio_lock(machine.other, pfn);
  machine.whenIdle(() => {
    folio_unlock(machine.other, pfn);
    folio_put(machine.other, pfn);
  });
}

export const FILE_KINDS: readonly FaultKind[] = [
  {
    name: 'file: read, resident, mapped around',
    rows: [9],
    prepare: (machine) => {
      const { page } = fileArea(machine, { resident: true, prot: PROT_READ });
      return () => userRead(machine.cpu, page);
    },
  },
  {
    name: 'file: read, absent, read ahead',
    rows: [16, 18],
    prepare: (machine) => {
      const { page } = fileArea(machine, { prot: PROT_READ });
      return () => userRead(machine.cpu, page);
    },
  },
  {
    name: 'file: read, absent, advised random',
    rows: [17, 18],
    prepare: (machine) => {
      const { page } = fileArea(machine, { prot: PROT_READ });
      sys_madvise(machine.cpu, page - FAR, PAGES, MADV_RANDOM);
      return () => userRead(machine.cpu, page);
    },
  },
  {
    name: 'file: read, locked by another',
    rows: [13],
    prepare: (machine) => {
      const area = fileArea(machine, { resident: true, prot: PROT_READ });
      lockedByAnother(machine, area);
      return () => userRead(machine.cpu, area.page);
    },
  },
  {
    name: 'file: read, marked for read-ahead',
    rows: [12],
    prepare: (machine) => {
      const { file, page } = fileArea(machine, { resident: true, prot: PROT_READ });
      const pfn = filemap_get_folio(machine.cpu, file, FAR);
      folioSet(machine.cpu, pfn, PG_readahead);
      folio_put(machine.cpu, pfn);
      return () => userRead(machine.cpu, page);
    },
  },
  {
    name: 'file: private write, resident',
    rows: [23],
    prepare: (machine) => {
      const { page } = fileArea(machine, { resident: true, shared: false });
      userWrite(machine.cpu, (page + 1) as Vpn, 1);
      return () => userWrite(machine.cpu, page, 1);
    },
  },
  {
    name: 'file: shared write, resident',
    rows: [24],
    prepare: (machine) => {
      const { page } = fileArea(machine, { resident: true });
      return () => userWrite(machine.cpu, page, 1);
    },
  },
  {
    name: 'file: shared write, absent',
    rows: [16, 25],
    prepare: (machine) => {
      const { page } = fileArea(machine);
      return () => userWrite(machine.cpu, page, 1);
    },
  },
  {
    name: 'file: shared write, mapped read-only',
    rows: [27],
    prepare: (machine) => {
      const { page } = fileArea(machine, { resident: true });
      userRead(machine.cpu, page);
      return () => userWrite(machine.cpu, page, 1);
    },
  },
];

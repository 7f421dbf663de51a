/**
 * Forced triggers that need no second CPU, or only its presence: one access or call, and the mutant gives itself away.
 * Next: area_triggers.ts
 */
import type { MappingId, MmId, Pfn, Vpn } from '@faultlab/core/base/brand';
import { FILE_DISK } from '@faultlab/core/mm/address_space';
import { put_anon_vma } from '@faultlab/core/mm/anon_vma';
import { folio_get, folio_index, folioMapping } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_GROWSDOWN, MAP_PRIVATE, PROT_READ } from '@faultlab/core/mm/mman';
import {
  mmap_read_lock,
  mmap_read_unlock,
  mmap_write_lock,
  mmap_write_lock_killable,
  mmap_write_unlock,
} from '@faultlab/core/mm/mmap_lock';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { findPteTable, ptep_get, pteWord } from '@faultlab/core/mm/page_table';
import { pte_pfn } from '@faultlab/core/mm/pte';
import { folio_get_anon_vma } from '@faultlab/core/mm/rmap_places';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { remove_migration_ptes, try_to_migrate } from '@faultlab/core/mm/try_to_migrate';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { BEFORE_ANON_VMA_TRYLOCK, BEFORE_PTL, BETWEEN_UNLOCK_AND_RELOCK } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { process_vm_writev } from '@faultlab/core/user/process_vm_access';
import { AREA, FILE_DEVICE, type OneThreadMachine, READ_WRITE } from '../../fault_kinds/one_thread_machine.ts';
import { type ForcedTrigger, tryFault } from './forced_trigger.ts';

const PAGES = 4;
const PAGE: Vpn = AREA;
const at = (offset: number): Vpn => (AREA + offset) as Vpn;

/** A mapping of a file on the disk whose pages are, or are not, in memory. */
function fileAt(machine: OneThreadMachine, cached: boolean, raPages = 0): MappingId {
  setSysctl(machine.cpu.memory, { faultAroundPages: 1 });
  const file = machine.file({ pages: PAGES, kind: FILE_DISK, device: FILE_DEVICE, raPages });
  for (let index = 0; cached && index < PAGES; index++) sys_read(machine.cpu, file, index);
  machine.drain();
  machine.map(PAGES, { file, shared: true });
  return file;
}

function written(machine: OneThreadMachine): void {
  machine.map(PAGES);
  userWrite(machine.cpu, PAGE, 1);
}

const readCold = (machine: OneThreadMachine): void => {
  fileAt(machine, false);
  userRead(machine.cpu, PAGE);
};

/** With read-ahead: the page is locked while it is read, and the fault waits for it. */
const readAhead = (machine: OneThreadMachine): void => {
  fileAt(machine, false, PAGES);
  userRead(machine.cpu, PAGE);
};

const stackAt = ({ cpu }: OneThreadMachine): number =>
  sys_mmap(cpu, at(0x200), 1, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, 0 as MappingId, 0);

export const DIRECT_TRIGGERS: readonly ForcedTrigger[] = [
  {
    mutants: ['B02'],
    run: (machine) => {
      written(machine);
      mmput(machine.cpu, sys_fork(machine.cpu) as MmId);
    },
  },
  {
    mutants: ['B03b'],
    run: (machine) => {
      fileAt(machine, true);
    },
  },
  {
    mutants: ['B04'],
    run: (machine) => {
      stackAt(machine);
      userWrite(machine.cpu, at(0x1f0), 1);
    },
  },
  {
    mutants: ['B01', 'B19'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      stackAt(machine);
      switch_mm(other, mm);
      // Both grow it, and the one that grows it less is the last.
      machine.atPoint(cpu, BETWEEN_UNLOCK_AND_RELOCK, () => userWrite(other, at(0x1e0), 2));
      userWrite(cpu, at(0x1f0), 1);
    },
  },
  {
    mutants: ['B07', 'B14b'],
    run: (machine) => {
      machine.map(PAGES);
      sys_mprotect(machine.cpu, PAGE, 2, PROT_READ);
    },
  },
  {
    mutants: ['B09', 'B49'],
    run: (machine) => {
      written(machine);
      sys_mprotect(machine.cpu, PAGE, PAGES, PROT_READ);
    },
  },
  {
    mutants: ['B10', 'B41'],
    run: (machine) => {
      const { cpu } = machine;
      written(machine);
      sys_munmap(cpu, PAGE, 1);
      sys_munmap(cpu, PAGE, PAGES);
    },
  },
  {
    mutants: ['B15'],
    run: (machine) => {
      written(machine);
      mmput(machine.cpu, sys_fork(machine.cpu) as MmId);
    },
  },
  { mutants: ['B18'], run: written },
  {
    mutants: ['B16'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      machine.map(PAGES);
      machine.atPoint(cpu, BEFORE_ANON_VMA_TRYLOCK, () => mmap_write_lock(other, mm));
      tryFault(cpu, PAGE, true);
      mmap_write_unlock(other, mm);
    },
  },
  {
    mutants: ['B23a'],
    policy: 'linux-6.0',
    run: (machine) => {
      fileAt(machine, true);
      userWrite(machine.cpu, PAGE, 1);
    },
  },
  {
    mutants: ['B23c'],
    run: (machine) => {
      fileAt(machine, true);
      process_vm_writev(machine.cpu, machine.mm, PAGE, [1]);
    },
  },
  { mutants: ['B25'], whole: true, run: readCold },
  { mutants: ['B36b'], policy: 'retry-vma', run: readAhead },
  { mutants: ['B39-account', 'B39-file', 'B46-twice'], run: readAhead },
  {
    mutants: ['B28-anon'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      written(machine);
      switch_mm(other, mm);
      machine.atPoint(cpu, BEFORE_PTL, () => userWrite(other, at(1), 2));
      userWrite(cpu, at(1), 3);
    },
  },
  {
    mutants: ['B40'],
    run: (machine) => {
      machine.map(PAGES, { prot: PROT_READ });
      userWrite(machine.cpu, PAGE, 1);
    },
  },
  {
    mutants: ['B42'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      mmap_read_lock(other, mm);
      machine.whenIdle(() => send_signal(other, cpu.id, SIGKILL));
      if (mmap_write_lock_killable(cpu, mm) === 0) mmap_write_unlock(cpu, mm);
      takeSignals(cpu);
      mmap_read_unlock(other, mm);
      mmap_write_lock(cpu, mm);
      mmap_write_unlock(cpu, mm);
    },
  },
  {
    mutants: ['B50'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      written(machine);
      const pfn: Pfn = pte_pfn(ptep_get(cpu, pteWord(cpu.memory, findPteTable(cpu, mm, PAGE), PAGE)));
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
      userWrite(cpu, PAGE, 2);
    },
  },
];

/** Forced triggers of pages: files, swap, folio locks, reclaim. Next: hunts.ts */
import type { MappingId, Pfn, SwapId, UffdId, Vpn } from '@faultlab/core/base/brand';
import { NO_TABLE } from '@faultlab/core/base/brand';
import { EINTR } from '@faultlab/core/base/errno';
import { PF_GUEST, PF_GUEST_PFAULT, X86_PF_WRITE } from '@faultlab/core/fault/arch/error_code';
import { do_user_addr_fault } from '@faultlab/core/fault/do_user_addr_fault';
import { FILE_DISK } from '@faultlab/core/mm/address_space';
import { filemap_get_folio } from '@faultlab/core/mm/filemap';
import { folio_flags, folio_try_get, folioSet, folioTest, PG_dirty, PG_locked, PG_uptodate, writeStamp } from '@faultlab/core/mm/folio';
import { folio_lock, folio_lock_killable, folio_trylock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { migrateToDevice } from '@faultlab/core/mm/migrate_device';
import {
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MADV_REMOVE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
} from '@faultlab/core/mm/mman';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { findPteTable, ptep_get, pteWord } from '@faultlab/core/mm/page_table';
import { pte_pfn, pte_present } from '@faultlab/core/mm/pte';
import { swapon } from '@faultlab/core/mm/swapfile';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { invalidate_mapping_pages } from '@faultlab/core/mm/truncate';
import { UFFD_FEATURE_EVENT_REMOVE } from '@faultlab/core/mm/userfaultfd_ctx';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { taskNumaWork } from '@faultlab/core/syscalls/change_prot_numa';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, sys_fallocate, sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import { userfaultfd_writeprotect } from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { userfaultfd_ctx_read } from '@faultlab/core/syscalls/userfaultfd_read';
import { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, userfaultfd_register } from '@faultlab/core/syscalls/userfaultfd_register';
import {
  BEFORE_FOLIO_LOCK,
  BEFORE_PTL,
  BEFORE_SWAP_INSTALL,
  BEFORE_TLB_FLUSH,
  BEFORE_WP_INSTALL,
  BETWEEN_FREEZE_AND_DIRTY_TEST,
  BETWEEN_UNLOCK_AND_RELOCK,
  BETWEEN_UNLOCK_AND_WAKE,
} from '@faultlab/core/trace/points';
import { ACCESS_OK, userRead, userWrite } from '@faultlab/core/user/access';
import { kernelRead } from '@faultlab/core/user/kernel_access';
import {
  AREA,
  FILE_DEVICE,
  type OneThreadMachine,
  READ_WRITE,
  SWAP_DEVICE,
  SYNC_SWAP_DEVICE,
} from '../../fault_kinds/one_thread_machine.ts';
import { expect, type ForcedTrigger, tryFault } from './forced_trigger.ts';

const PAGES = 8;
const PAGE: Vpn = AREA;
/** Far from AREA, and in other places of the translation caches. */
const ELSEWHERE = AREA + 0x1010;
const MAP_HERE = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
const SHARED_HERE = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
const SWAP = 0 as SwapId;
/** Rounds in which somebody else is faster: more than a waiter must bear. */
const OVERTAKEN = 8;

/** A file on the disk, mapped at AREA. */
function fileAt(
  machine: OneThreadMachine,
  how: { readonly cached: boolean; readonly shared?: boolean; readonly prot?: number },
): MappingId {
  setSysctl(machine.cpu.memory, { faultAroundPages: 1 });
  const file = machine.file({ pages: PAGES, kind: FILE_DISK, device: FILE_DEVICE, raPages: 0 });
  for (let index = 0; how.cached && index < PAGES; index++) sys_read(machine.cpu, file, index);
  machine.drain();
  machine.map(PAGES, { file, shared: how.shared ?? true, prot: how.prot ?? READ_WRITE });
  switch_mm(machine.other, machine.mm);
  return file;
}

/** An anonymous page that has been written. @returns its frame */
function anonymousAt(machine: OneThreadMachine): Pfn {
  const { cpu, other, mm } = machine;
  machine.map(PAGES);
  userWrite(cpu, PAGE, 1);
  switch_mm(other, mm);
  return frameOf(machine, PAGE);
}

const frameOf = ({ cpu, mm }: OneThreadMachine, vpn: Vpn): Pfn => {
  const table = findPteTable(cpu, mm, vpn);
  return table === NO_TABLE ? (0 as Pfn) : pte_pfn(ptep_get(cpu, pteWord(cpu.memory, table, vpn)));
};

const swapOn = ({ cpu }: OneThreadMachine, synchronous: boolean, slots: number): void =>
  swapon(cpu.memory, SWAP, { device: synchronous ? SYNC_SWAP_DEVICE : SWAP_DEVICE, slots, synchronous });

/** The page goes to swap. */
function pushOut(machine: OneThreadMachine): void {
  sys_madvise(machine.cpu, PAGE, 1, MADV_PAGEOUT);
  machine.drain();
  squeezeAll(machine.cpu);
  machine.drain();
}

/** Whenever CPU 0 sleeps, the other unlocks the folio and is the first to lock it again; it gives up when the lock is not to be had. */
function overtakes(machine: OneThreadMachine, pfn: Pfn, refused: () => void): void {
  const { other } = machine;
  let holds = true;
  for (let round = 0; round < OVERTAKEN; round++) {
    machine.whenIdle(() => {
      if (!holds) return;
      folio_unlock(other, pfn);
      holds = folio_trylock(other, pfn);
      if (!holds) refused();
    });
  }
  machine.whenIdle(() => {
    if (holds) folio_unlock(other, pfn);
    holds = false;
  });
}

export const PAGE_TRIGGERS: readonly ForcedTrigger[] = [
  {
    mutants: ['B20'],
    run: (machine) => {
      const { cpu, other } = machine;
      anonymousAt(machine);
      swapOn(machine, true, 2); // One slot beside the header: whatever is swapped out goes there.
      pushOut(machine);
      other.idle = () => true; // The other may wait a tick for the claim.
      let written = 1;
      machine.atPoint(cpu, BEFORE_SWAP_INSTALL, () => {
        tryFault(other, PAGE, true);
        if (!pte_present(ptep_get(cpu, pteWord(cpu.memory, findPteTable(cpu, machine.mm, PAGE), PAGE)))) return;
        written = 2;
        userWrite(other, PAGE, written);
        sys_madvise(other, PAGE, 1, MADV_PAGEOUT);
        squeezeAll(other);
      });
      userRead(cpu, PAGE);
      expect(cpu.value === written, 'I25', 'a read does not return the last write');
    },
  },
  {
    mutants: ['B23b'],
    arch: 's390',
    policy: 'linux-6.12',
    run: (machine) => {
      fileAt(machine, { cached: true });
      do_user_addr_fault(machine.cpu, PAGE, PF_GUEST | X86_PF_WRITE);
    },
  },
  {
    mutants: ['B24'],
    run: (machine) => {
      fileAt(machine, { cached: false });
      userRead(machine.cpu, PAGE);
    },
  },
  {
    mutants: ['B26'],
    policy: 'linux-6.4',
    run: (machine) => {
      const { cpu, other } = machine;
      fileAt(machine, { cached: false });
      machine.whenIdle(() => send_signal(other, cpu.id, SIGKILL));
      kernelRead(cpu, PAGE);
      takeSignals(cpu);
    },
  },
  {
    mutants: ['B27-mapping'],
    run: (machine) => {
      const { cpu, other } = machine;
      const file = fileAt(machine, { cached: true });
      machine.atPoint(cpu, BEFORE_FOLIO_LOCK, () => sys_fallocate(other, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGES));
      userRead(cpu, PAGE);
    },
  },
  {
    mutants: ['B27-size'],
    run: (machine) => {
      const { cpu, other } = machine;
      const file = fileAt(machine, { cached: false });
      machine.atPoint(cpu, BEFORE_FOLIO_LOCK, () => {}); // The attempt that starts the read.
      machine.atPoint(cpu, BEFORE_FOLIO_LOCK, () => sys_ftruncate(other, file, 0));
      userRead(cpu, PAGE);
    },
  },
  {
    mutants: ['B28-file'],
    run: (machine) => {
      const { cpu, other } = machine;
      fileAt(machine, { cached: true, prot: PROT_READ });
      machine.atPoint(cpu, BEFORE_FOLIO_LOCK, () => userRead(other, PAGE));
      userRead(cpu, PAGE);
    },
  },
  {
    mutants: ['B28-numa'],
    run: (machine) => {
      const { cpu, other } = machine;
      anonymousAt(machine);
      taskNumaWork(cpu, PAGE, 1);
      machine.atPoint(cpu, BEFORE_PTL, () => sys_madvise(other, PAGE, 1, MADV_DONTNEED));
      userRead(cpu, PAGE);
    },
  },
  {
    mutants: ['B28-swap'],
    run: (machine) => {
      const { cpu, other } = machine;
      anonymousAt(machine);
      swapOn(machine, false, 16);
      pushOut(machine);
      machine.atPoint(cpu, BEFORE_SWAP_INSTALL, () => sys_madvise(other, PAGE, 1, MADV_DONTNEED));
      userRead(cpu, PAGE);
    },
  },
  {
    mutants: ['B28-wp'],
    run: (machine) => {
      const { cpu, other } = machine;
      anonymousAt(machine);
      const child = sys_fork(cpu);
      machine.atPoint(cpu, BEFORE_WP_INSTALL, () => userWrite(other, PAGE, 2));
      userWrite(cpu, PAGE, 3);
      mmput(cpu, child as never);
    },
  },
  {
    mutants: ['B31a'],
    run: (machine) => {
      const { cpu, other } = machine;
      const file = fileAt(machine, { cached: true });
      const last = (AREA + PAGES - 1) as Vpn;
      userWrite(other, last, 1);
      const pfn = frameOf(machine, last);
      machine.atPoint(cpu, BEFORE_TLB_FLUSH, () => {
        if (cpu.spinDepth > 0) return; // Whoever wants to zap the new place waits.
        sys_ftruncate(other, file, PAGES - 1);
        const freed = !folio_try_get(other, pfn);
        expect(!freed || userWrite(other, last, 2) !== ACCESS_OK, 'I25', 'a page was written after it was given back');
      });
      sys_mremap(cpu, AREA, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, ELSEWHERE);
    },
  },
  {
    mutants: ['B32-dontneed'],
    run: (machine) => {
      const { cpu, other } = machine;
      anonymousAt(machine);
      const ctx = sys_userfaultfd(cpu, UFFD_FEATURE_EVENT_REMOVE) as UffdId;
      userfaultfd_register(cpu, ctx, AREA, PAGES, UFFDIO_REGISTER_MODE_MISSING);
      machine.whenIdle(() => {
        userfaultfd_ctx_read(other, ctx, 0);
        sys_munmap(other, AREA, PAGES);
        sys_mmap(other, ELSEWHERE, PAGES, READ_WRITE, MAP_HERE, 0 as MappingId, 0);
      });
      sys_madvise(cpu, AREA, PAGES, MADV_DONTNEED);
      userfaultfd_release(cpu, ctx);
    },
  },
  {
    mutants: ['B32-remove'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      sys_mmap(cpu, AREA, PAGES, READ_WRITE, SHARED_HERE, 0 as MappingId, 0);
      userWrite(cpu, PAGE, 1);
      switch_mm(other, mm);
      machine.atPoint(cpu, BETWEEN_UNLOCK_AND_RELOCK, () => sys_munmap(other, AREA, PAGES));
      sys_madvise(cpu, AREA, PAGES, MADV_REMOVE);
    },
  },
  {
    mutants: ['B33a'],
    run: (machine) => {
      const { cpu, other } = machine;
      const pfn = anonymousAt(machine);
      folio_lock(other, pfn);
      let holds = true;
      const release = (): void => {
        if (holds) folio_unlock(other, pfn);
        holds = false;
      };
      machine.atPoint(cpu, BEFORE_FOLIO_LOCK, release);
      machine.whenIdle(release);
      folio_lock(cpu, pfn);
      folio_unlock(cpu, pfn);
    },
  },
  {
    mutants: ['B33c'],
    run: (machine) => {
      const { cpu, other } = machine;
      const pfn = anonymousAt(machine);
      folio_lock(other, pfn);
      overtakes(machine, pfn, () => {});
      folio_lock(cpu, pfn);
      folio_unlock(cpu, pfn);
    },
  },
  {
    mutants: ['B33d'],
    run: (machine) => {
      const { cpu, other } = machine;
      const pfn = anonymousAt(machine);
      folio_lock(other, pfn);
      overtakes(machine, pfn, () => send_signal(other, cpu.id, SIGKILL));
      const result = folio_lock_killable(cpu, pfn);
      takeSignals(cpu);
      expect(result !== EINTR || !folioTest(cpu, pfn, PG_locked), 'I20', 'a folio is locked, and nobody has its lock');
      if (result === 0) folio_unlock(cpu, pfn);
    },
  },
  {
    mutants: ['B36'],
    run: (machine) => {
      anonymousAt(machine);
      migrateToDevice(machine.cpu, machine.mm, PAGE);
      userWrite(machine.cpu, PAGE, 2);
    },
  },
  {
    mutants: ['B38'],
    run: (machine) => {
      const { cpu, other } = machine;
      anonymousAt(machine);
      swapOn(machine, false, 16);
      const ctx = sys_userfaultfd(cpu) as UffdId;
      userfaultfd_register(cpu, ctx, AREA, PAGES, UFFDIO_REGISTER_MODE_WP);
      userfaultfd_writeprotect(cpu, ctx, PAGE, 1, true);
      pushOut(machine);
      let answered = false;
      const answer = (): void => {
        if (answered) return;
        const message = userfaultfd_ctx_read(other, ctx, 0);
        if (typeof message !== 'object') return;
        userfaultfd_writeprotect(other, ctx, PAGE, 1, false);
        answered = true;
      };
      for (let step = 0; step < 2; step++) {
        machine.whenIdle(() => {
          machine.drain();
          answer();
        });
      }
      const outcome = userWrite(cpu, PAGE, 2);
      expect(outcome === ACCESS_OK, 'outcome', 'a write that the handler allows ended with a signal');
      userfaultfd_release(cpu, ctx);
    },
  },
  {
    mutants: ['B46-nowait'],
    arch: 's390',
    policy: 'linux-6.12',
    run: (machine) => {
      const { cpu, other } = machine;
      const file = fileAt(machine, { cached: true });
      const pfn = filemap_get_folio(other, file, 0);
      folio_lock(other, pfn);
      do_user_addr_fault(cpu, PAGE, PF_GUEST | PF_GUEST_PFAULT);
      folio_unlock(other, pfn);
      folio_put(other, pfn);
    },
  },
  {
    mutants: ['B51'],
    run: (machine) => {
      const { cpu, other } = machine;
      const file = fileAt(machine, { cached: false });
      machine.atPoint(other, BETWEEN_UNLOCK_AND_WAKE, () => {
        const pfn = filemap_get_folio(other, file, 0);
        const flags = folio_flags(other, pfn);
        folio_put(other, pfn);
        expect((flags & (PG_locked | PG_uptodate)) !== 0, 'I19', 'a page whose read has succeeded is unlocked and not up to date');
      });
      userRead(cpu, PAGE);
    },
  },
  {
    mutants: ['B52'],
    run: (machine) => {
      const { cpu, other } = machine;
      const pfn = anonymousAt(machine);
      swapOn(machine, false, 16);
      let written = 1;
      // Somebody who has pinned the page writes to it, and lets go.
      machine.atPoint(cpu, BETWEEN_FREEZE_AND_DIRTY_TEST, () => {
        if (!folio_try_get(other, pfn)) return;
        written = 77;
        writeStamp(other, pfn, written);
        folioSet(other, pfn, PG_dirty);
        folio_put(other, pfn);
      });
      pushOut(machine);
      userRead(cpu, PAGE);
      expect(cpu.value === written, 'I25', 'a write is lost: its page was thrown away as clean');
    },
  },
  {
    mutants: ['B53'],
    run: (machine) => {
      const { cpu, other } = machine;
      const file = fileAt(machine, { cached: true, prot: PROT_READ });
      machine.atPoint(cpu, BEFORE_PTL, () => invalidate_mapping_pages(other, file, 0, 1));
      userRead(cpu, PAGE);
    },
  },
];

/** Forced triggers of areas and their locks. Next: page_triggers.ts */
import type { MmId, UffdId, VmaId, Vpn, Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { atomic_fetch_add, atomic_read } from '@faultlab/core/memory/atomic';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mm_alloc, mmTree } from '@faultlab/core/mm/mm_struct';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from '@faultlab/core/mm/mman';
import { mmap_read_lock, mmap_read_trylock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { setUffdReleased } from '@faultlab/core/mm/userfaultfd_ctx';
import { vmRefcntWord } from '@faultlab/core/mm/vm_area_struct';
import { lock_vma_under_rcu, vma_end_read, vma_start_write } from '@faultlab/core/mm/vma_lock';
import { VMA_LOCK_OFFSET } from '@faultlab/core/mm/vma_lock_refcount';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import { UFFDIO_REGISTER_MODE_MISSING, userfaultfd_register } from '@faultlab/core/syscalls/userfaultfd_register';
import {
  AFTER_PIN,
  AFTER_TREE_STORE,
  AFTER_TREE_WALK,
  BEFORE_PTL,
  BETWEEN_GUP_ATTEMPTS,
  BETWEEN_PUT_AND_WAKE,
} from '@faultlab/core/trace/points';
import { userWrite } from '@faultlab/core/user/access';
import { process_vm_readv } from '@faultlab/core/user/process_vm_access';
import { AREA, type OneThreadMachine, READ_WRITE } from '../../fault_kinds/one_thread_machine.ts';
import { expect, type ForcedTrigger, tryFault } from './forced_trigger.ts';

const PAGES = 4;
const ELSEWHERE = AREA + 0x1000;
const FIXED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

const areaAt = (cpu: Cpu, mm: MmId, vpn: Vpn): VmaId => mas_walk(cpu, mmTree(cpu.memory, mm), vpn);
const mapAt = (cpu: Cpu, at: number): number => sys_mmap(cpu, at, PAGES, READ_WRITE, FIXED, 0 as never, 0);

/** Another address space, on which the other CPU runs from now on. */
function otherSpace({ other }: OneThreadMachine): MmId {
  const space = mm_alloc(other);
  switch_mm(other, space);
  return space;
}

/** Ends it; the other CPU is back on the first. */
function endSpace({ other, mm }: OneThreadMachine, space: MmId): void {
  switch_mm(other, mm);
  mmput(other, space);
}

/** The first half of a writer that waits for readers: new ones fail. */
const excludes = ({ other }: OneThreadMachine, refcnt: Word): void => void atomic_fetch_add(other, refcnt, VMA_LOCK_OFFSET); // Alone: the trigger's.
/** Its second half. */
const goesOn = ({ other }: OneThreadMachine, refcnt: Word): void => void atomic_fetch_add(other, refcnt, -VMA_LOCK_OFFSET); // Alone: the trigger's.

export const AREA_TRIGGERS: readonly ForcedTrigger[] = [
  {
    mutants: ['B03'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      switch_mm(other, mm);
      machine.atPoint(other, AFTER_TREE_STORE, () => {
        const vma = lock_vma_under_rcu(cpu, mm, AREA);
        if (vma !== 0) vma_end_read(cpu, vma);
      });
      mapAt(other, AREA);
    },
  },
  {
    mutants: ['B05'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      machine.map(PAGES);
      userWrite(cpu, AREA, 1);
      switch_mm(other, mm);
      machine.atPoint(cpu, AFTER_TREE_WALK, () => {
        sys_mremap(other, AREA, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, ELSEWHERE);
      });
      tryFault(cpu, (AREA + 1) as Vpn, true);
    },
  },
  {
    mutants: ['B06'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      machine.map(PAGES);
      switch_mm(other, mm);
      const vma = areaAt(cpu, mm, AREA);
      let locked = false;
      machine.atPoint(cpu, AFTER_PIN, () => {
        if (atomic_read(other, vmRefcntWord(other.memory, vma)) !== 1) return; // The reader is in: a writer would wait.
        mmap_write_lock(other, mm);
        vma_start_write(other, vma);
        locked = true;
      });
      tryFault(cpu, AREA, false);
      if (locked) mmap_write_unlock(other, mm);
    },
  },
  {
    mutants: ['B11'],
    policy: 'linux-6.12',
    run: (machine) => {
      const { cpu, other, mm } = machine;
      machine.map(PAGES);
      userWrite(cpu, AREA, 1);
      switch_mm(other, mm);
      machine.atPoint(cpu, AFTER_TREE_WALK, () => sys_munmap(other, AREA, PAGES));
      tryFault(cpu, AREA, false);
    },
  },
  {
    mutants: ['B12'],
    run: (machine) => {
      const { cpu, other } = machine;
      machine.map(PAGES);
      const slot = areaAt(cpu, cpu.mm, AREA);
      const refcnt = vmRefcntWord(cpu.memory, slot);
      let space = 0 as MmId;
      machine.atPoint(cpu, AFTER_TREE_WALK, () => {
        switch_mm(other, machine.mm);
        sys_munmap(other, AREA, PAGES);
        space = otherSpace(machine);
        mapAt(other, AREA);
        expect(areaAt(other, space, AREA) === slot, 'assert', 'the slot was not reused');
      });
      machine.atPoint(cpu, AFTER_PIN, () => excludes(machine, refcnt));
      machine.atPoint(cpu, BETWEEN_PUT_AND_WAKE, () => {
        goesOn(machine, refcnt);
        endSpace(machine, space);
      });
      tryFault(cpu, AREA, true);
    },
  },
  {
    mutants: ['B12b'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      machine.map(PAGES);
      const slot = areaAt(cpu, mm, AREA);
      const refcnt = vmRefcntWord(cpu.memory, slot);
      let space = 0 as MmId;
      machine.atPoint(cpu, AFTER_PIN, () => excludes(machine, refcnt));
      machine.atPoint(cpu, BETWEEN_PUT_AND_WAKE, () => {
        goesOn(machine, refcnt);
        switch_mm(other, mm);
        sys_munmap(other, AREA, PAGES);
        space = otherSpace(machine);
        mapAt(other, AREA);
      });
      machine.atPoint(cpu, BETWEEN_PUT_AND_WAKE, () => {
        endSpace(machine, space);
        space = 0 as MmId;
      });
      tryFault(cpu, AREA, true);
      if (space !== 0) endSpace(machine, space);
    },
  },
  {
    mutants: ['B14'],
    run: (machine) => {
      const { cpu, other } = machine;
      machine.map(PAGES);
      let space = 0 as MmId;
      machine.atPoint(cpu, AFTER_TREE_WALK, () => {
        switch_mm(other, machine.mm);
        sys_munmap(other, AREA, PAGES);
        space = otherSpace(machine);
        mapAt(other, AREA);
      });
      tryFault(cpu, AREA, true);
      endSpace(machine, space);
    },
  },
  {
    mutants: ['B22'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      machine.map(PAGES);
      const ctx = sys_userfaultfd(cpu) as UffdId;
      userfaultfd_register(cpu, ctx, AREA, PAGES, UFFDIO_REGISTER_MODE_MISSING);
      setUffdReleased(other, ctx); // The closing CPU has left its mark and waits for mmap_lock.
      machine.atPoint(cpu, BETWEEN_GUP_ATTEMPTS, () => userfaultfd_release(other, ctx));
      process_vm_readv(cpu, mm, AREA, 1, []);
    },
  },
  {
    mutants: ['B48'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      machine.map(PAGES);
      const refcnt = vmRefcntWord(cpu.memory, areaAt(cpu, mm, AREA));
      let alone = false;
      machine.atPoint(cpu, AFTER_PIN, () => {
        alone = atomic_read(other, refcnt) === 1; // Otherwise a writer would wait for the reader.
        if (alone) excludes(machine, refcnt);
      });
      machine.atPoint(cpu, BEFORE_PTL, () => {
        expect(!alone || atomic_read(other, refcnt) === VMA_LOCK_OFFSET + 1, 'I05', 'a reader is in an area that a writer has to itself');
      });
      tryFault(cpu, AREA, true);
      if (alone) goesOn(machine, refcnt);
    },
  },
  {
    mutants: ['B47'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      mmap_read_lock(other, mm);
      machine.whenIdle(() => {
        if (mmap_read_trylock(other, mm)) mmap_read_unlock(other, mm);
        mmap_read_unlock(other, mm);
      });
      mmap_write_lock(cpu, mm);
      mmap_write_unlock(cpu, mm);
    },
  },
];

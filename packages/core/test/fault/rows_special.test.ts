/**
 * Rows 38 to 43 of the table of results: entries that are neither empty, present nor in swap. First and later
 * attempts, under the VMA lock and under mmap_lock, under every policy: these rows are the same in all of them. One thread: what another CPU does
 * in between is done at a named point, or when this CPU would sleep.
 */
import type { Pfn, Vpn } from '@faultlab/core/base/brand';
import { EFAULT, EHWPOISON } from '@faultlab/core/base/errno';
import { FAULT_FLAG_RETRY_NOWAIT, VM_FAULT_HWPOISON, VM_FAULT_OOM, VM_FAULT_RETRY, VM_FAULT_SIGSEGV } from '@faultlab/core/fault/vm_fault';
import { put_anon_vma } from '@faultlab/core/mm/anon_vma';
import { makeDeviceExclusive } from '@faultlab/core/mm/device_exclusive';
import { folio_get, folio_index, folioMapping, folioTest, PG_device, writeStamp } from '@faultlab/core/mm/folio';
import { folio_lock, folio_trylock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { poisonPage, unpoison_memory } from '@faultlab/core/mm/memory_failure';
import { migrateToDevice } from '@faultlab/core/mm/migrate_device';
import * as mman from '@faultlab/core/mm/mman';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { findPteTable, ptep_get_and_clear, set_pte_at } from '@faultlab/core/mm/page_table';
import { PTE_DIRTY, PTE_PRESENT, PTE_RW, pte_present } from '@faultlab/core/mm/pte';
import { pte_offset_map_lock, pte_unmap_unlock } from '@faultlab/core/mm/pte_lock';
import { folio_get_anon_vma } from '@faultlab/core/mm/rmap_places';
import {
  is_device_exclusive_entry,
  is_device_private_entry,
  is_hwpoison_entry,
  make_pte_marker,
  PTE_MARKER_POISONED,
} from '@faultlab/core/mm/swap_entry';
import { remove_migration_ptes, try_to_migrate } from '@faultlab/core/mm/try_to_migrate';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { SIGKILL, send_signal } from '@faultlab/core/sched/task';
import { taskNumaWork } from '@faultlab/core/syscalls/change_prot_numa';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { BEFORE_FOLIO_LOCK, BEFORE_MIGRATE_TO_RAM, BEFORE_PTL } from '@faultlab/core/trace/points';
import { userWrite } from '@faultlab/core/user/access';
import { processVmRead } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { type AttemptLock, attempt, held } from '../fixtures/attempt.ts';
import { pteOf } from '../fixtures/disk.ts';
import { hog } from '../fixtures/hog.ts';
import {
  type Body,
  first,
  PAGES,
  pfnAt,
  RETRY,
  readsAs,
  refused,
  row as rowOf,
  type Scene,
  swpAt,
  WRITE,
  WRITTEN,
  whenIdle,
  X,
} from '../fixtures/special.ts';

const test = suite('fault/rows_special');

const row = (name: string, body: Body, locks?: readonly AttemptLock[]): void => rowOf(test, name, body, locks);

// --- row 38 -----------------------------------------------------------------------------------------------------------------------------

/** The page is on its way: its folio is locked by the second CPU, its entries say so. @returns what puts it back */
function underMigration({ second, cpu }: Scene, page: number): () => void {
  const pfn = pfnAt(cpu, page);
  const mapping = folioMapping(second, pfn);
  const index = folio_index(cpu.memory, pfn);
  folio_lock(second, pfn);
  folio_get(second, pfn);
  const anonVma = folio_get_anon_vma(second, pfn);
  try_to_migrate(second, pfn, mapping, index);
  assert.not.ok(pte_present(pteOf(cpu, page) as never));
  return () => {
    remove_migration_ptes(second, pfn, pfn, mapping, index);
    folio_unlock(second, pfn);
    put_anon_vma(second, anonVma);
    folio_put(second, pfn);
  };
}

row('row 38: a page that is being moved is waited for with the lock held, and not even SIGKILL ends the wait', (one, lock, flags) => {
  const { cpu, counted } = one;
  const finish = underMigration(one, X);
  const killed = (flags & WRITE) !== 0;
  if (killed) send_signal(cpu, cpu.id, SIGKILL);
  if (refused(one, lock)) {
    assert.equal(attempt(cpu, X, flags, lock), RETRY);
    finish();
    return;
  }
  const seen = whenIdle(cpu, finish);
  assert.equal(attempt(cpu, X, flags, lock), held(0));
  assert.is(seen.slept, 1);
  assert.is(counted('migration_waits'), 1);
  assert.ok(pte_present(pteOf(cpu, X) as never));
});

row('row 38: the page has arrived before the page-table lock is taken: nobody waits', (one, lock, flags) => {
  const { cpu, counted, points } = one;
  if (refused(one, lock)) return;
  const finish = underMigration(one, X);
  points.once(BEFORE_PTL, finish);
  assert.equal(attempt(cpu, X, flags, lock), held(0));
  assert.is(counted('migration_waits'), 0);
});

// --- rows 39, 40 ------------------------------------------------------------------------------------------------------------------------

const toDevice = ({ cpu, mm }: Scene, page: number): Pfn => {
  assert.is(migrateToDevice(cpu, mm, page as Vpn), 0);
  assert.ok(is_device_private_entry(swpAt(cpu, page)));
  const pfn = pfnAt(cpu, page);
  assert.ok(folioTest(cpu, pfn, PG_device));
  return pfn;
};

row(
  'row 39: a page of a device under the VMA lock needs mmap_lock',
  (one, _lock, flags) => {
    toDevice(one, X);
    assert.equal(attempt(one.cpu, X, flags, 'vma'), RETRY);
    assert.ok(is_device_private_entry(swpAt(one.cpu, X)));
  },
  ['vma'],
);

row(
  'row 40: under mmap_lock the driver brings it back, with what the device wrote',
  (one, _lock, flags) => {
    const pfn = toDevice(one, X);
    writeStamp(one.cpu, pfn, 99);
    assert.equal(attempt(one.cpu, X, flags, 'mmap'), held(0));
    assert.is(readsAs(one.cpu, X), 99);
    assert.is(userWrite(one.cpu, X as Vpn, 5), 0);
    assert.not.equal(pfnAt(one.cpu, X), pfn);
  },
  ['mmap'],
);

row(
  'row 40: no frame for it',
  (one, _lock, flags) => {
    toDevice(one, X);
    const giveBack = hog(one.cpu, 'frames', 0);
    assert.equal(attempt(one.cpu, X, flags, 'mmap'), held(VM_FAULT_OOM));
    giveBack();
    assert.is(readsAs(one.cpu, X), WRITTEN);
  },
  ['mmap'],
);

row(
  'row 40: of two faults one moves the page and the other comes again',
  (one, _lock, flags) => {
    const { cpu, second, points, counted } = one;
    toDevice(one, X);
    points.once(BEFORE_MIGRATE_TO_RAM, () => {
      second.mm = cpu.mm;
      assert.equal(attempt(second, X, flags, 'mmap'), held(0));
      assert.ok(is_device_private_entry(swpAt(cpu, X)));
    });
    assert.equal(attempt(cpu, X, flags, 'mmap'), held(0));
    second.mm = 0 as never;
    assert.is(counted('device_private_faults'), 2);
    assert.is(readsAs(cpu, X), WRITTEN);
  },
  ['mmap'],
);

// --- row 41 -----------------------------------------------------------------------------------------------------------------------------

const toExclusive = ({ cpu, mm }: Scene, page: number): Pfn => {
  assert.is(makeDeviceExclusive(cpu, mm, page as Vpn), 0);
  assert.ok(is_device_exclusive_entry(swpAt(cpu, page)));
  return pfnAt(cpu, page);
};

row('row 41: a page that a device has for itself, and nobody has locked', (one, lock, flags) => {
  const pfn = toExclusive(one, X);
  assert.equal(attempt(one.cpu, X, flags, lock), refused(one, lock) ? RETRY : held(0));
  assert.is(readsAs(one.cpu, X), WRITTEN);
  assert.is(pfnAt(one.cpu, X), pfn);
  assert.is(pteOf(one.cpu, X) & (PTE_PRESENT | PTE_RW), PTE_PRESENT | PTE_RW);
});

row('row 41: somebody has locked it: the first attempt drops its lock to wait, a later one waits holding it', (one, lock, flags) => {
  const { cpu, second } = one;
  if (refused(one, lock)) return;
  const pfn = toExclusive(one, X);
  folio_lock(second, pfn);
  const seen = whenIdle(cpu, () => folio_unlock(second, pfn));
  assert.equal(attempt(cpu, X, flags, lock), first(flags) ? RETRY : held(0));
  assert.is(seen.slept, 1);
  assert.is(pte_present(pteOf(cpu, X) as never), !first(flags));
});

row('row 41: killed while it waits', (one, lock, flags) => {
  const { cpu, second, counted } = one;
  if (refused(one, lock)) return;
  const pfn = toExclusive(one, X);
  folio_lock(second, pfn);
  whenIdle(cpu, () => send_signal(second, cpu.id, SIGKILL));
  assert.equal(attempt(cpu, X, flags, lock), RETRY);
  assert.is(counted('folio_lock_killed'), first(flags) ? 0 : 1);
  folio_unlock(second, pfn);
});

row(
  'row 41: NOWAIT: RETRY with the lock held',
  (one, _lock, flags) => {
    if (!first(flags)) return;
    const pfn = toExclusive(one, X);
    folio_lock(one.second, pfn);
    assert.equal(attempt(one.cpu, X, flags | FAULT_FLAG_RETRY_NOWAIT, 'mmap'), held(VM_FAULT_RETRY));
    folio_unlock(one.second, pfn);
  },
  ['mmap'],
);

row('row 41: another CPU has taken the page back meanwhile (R13)', (one, lock, flags) => {
  const { cpu, second, points } = one;
  if (refused(one, lock)) return;
  const pfn = toExclusive(one, X);
  points.once(BEFORE_FOLIO_LOCK, () => {
    second.mm = cpu.mm;
    assert.equal(attempt(second, X, WRITE, 'mmap'), held(0));
    second.mm = 0 as never;
  });
  assert.equal(attempt(cpu, X, flags, lock), held(0));
  assert.is(pfnAt(cpu, X), pfn);
});

// --- row 42 -----------------------------------------------------------------------------------------------------------------------------

row('row 42: broken memory', (one, lock, flags) => {
  const { cpu, mm, counted } = one;
  assert.is(poisonPage(cpu, mm, X as Vpn), 0);
  assert.ok(is_hwpoison_entry(swpAt(cpu, X)));
  const pfn = pfnAt(cpu, X);
  assert.equal(attempt(cpu, X, flags, lock), refused(one, lock) ? RETRY : held(VM_FAULT_HWPOISON));
  assert.is(readsAs(cpu, X), 'BUS_MCEERR_AR');
  assert.ok(counted('poison_faults') >= 1);
  assert.is(readsAs(cpu, X + 1), WRITTEN);
  assert.is(sys_madvise(cpu, X, 1, mman.MADV_POPULATE_READ), EHWPOISON);
  assert.is(processVmRead(cpu, mm, X as Vpn), EFAULT);
  assert.is(sys_munmap(cpu, X, 1), 0);
  unpoison_memory(cpu, pfn);
});

row('row 42: memory that was declared broken', (one, lock, flags) => {
  const { cpu, mm } = one;
  const table = findPteTable(cpu, mm, X as Vpn);
  set_pte_at(cpu, pte_offset_map_lock(cpu, table, (X + 2) as Vpn), make_pte_marker(PTE_MARKER_POISONED));
  pte_unmap_unlock(cpu, table);
  assert.equal(attempt(cpu, X + 2, flags, lock), refused(one, lock) ? RETRY : held(VM_FAULT_HWPOISON));
  assert.is(readsAs(cpu, X + 2), 'BUS_MCEERR_AR');
  // Discarding the page makes the memory good again.
  assert.is(sys_madvise(cpu, X + 2, 1, mman.MADV_DONTNEED), 0);
  assert.is(readsAs(cpu, X + 2), 0);
});

row('a guard page: SIGSEGV with the lock held', (one, lock, flags) => {
  const { cpu, mm, counted } = one;
  assert.is(sys_madvise(cpu, X, 1, mman.MADV_GUARD_INSTALL), 0);
  assert.equal(attempt(cpu, X, flags, lock), refused(one, lock) ? RETRY : held(VM_FAULT_SIGSEGV));
  assert.is(readsAs(cpu, X), 'SEGV_MAPERR');
  assert.ok(counted('guard_faults') >= 1);
  assert.is(processVmRead(cpu, mm, X as Vpn), EFAULT);
  assert.is(sys_madvise(cpu, X, 1, mman.MADV_GUARD_REMOVE), 0);
  assert.is(readsAs(cpu, X), 0);
});

// --- row 43 -----------------------------------------------------------------------------------------------------------------------------

row('row 43: a NUMA hint restores the access', (one, lock, flags) => {
  const { cpu, counted } = one;
  const pfn = pfnAt(cpu, X);
  assert.is(taskNumaWork(cpu, X, PAGES), 2);
  assert.equal(attempt(cpu, X, flags, lock), held(0));
  assert.is(pfnAt(cpu, X), pfn);
  assert.is(pteOf(cpu, X) & (PTE_PRESENT | PTE_RW), PTE_PRESENT | PTE_RW);
  assert.equal([counted('numa_hint_faults'), counted('numa_pages_migrated')], [1, 0]);
  assert.is(readsAs(cpu, X + 1), WRITTEN);
});

row('row 43: a page on the wrong node moves with the lock held', (one, lock, flags) => {
  const { cpu, counted } = one;
  setSysctl(cpu.memory, { numaMisplaced: 1 });
  const pfn = pfnAt(cpu, X);
  assert.is(taskNumaWork(cpu, X, 1), 1);
  assert.equal(attempt(cpu, X, flags, lock), held(0));
  assert.is.not(pfnAt(cpu, X), pfn);
  assert.is(readsAs(cpu, X), WRITTEN);
  assert.is(userWrite(cpu, X as Vpn, 8), 0);
  assert.equal([counted('numa_hint_faults'), counted('numa_pages_migrated'), counted('pgmigrate_success')], [1, 1, 1]);
});

row('row 43: the page cannot move, because somebody has locked it: nobody waits', (one, lock, flags) => {
  const { cpu, second, counted } = one;
  setSysctl(cpu.memory, { numaMisplaced: 1 });
  const pfn = pfnAt(cpu, X);
  assert.is(taskNumaWork(cpu, X, 1), 1);
  assert.ok(folio_trylock(second, pfn));
  assert.equal(attempt(cpu, X, flags, lock), held(0));
  folio_unlock(second, pfn);
  assert.is(pfnAt(cpu, X), pfn);
  assert.is(counted('numa_pages_migrated'), 0);
});

row('row 43: the entry changes before its lock is taken (R13)', (one, lock, flags) => {
  const { cpu, second, points, mm, counted } = one;
  assert.is(taskNumaWork(cpu, X, 1), 1);
  points.once(BEFORE_PTL, () => {
    const table = findPteTable(second, mm, X as Vpn);
    const entry = pte_offset_map_lock(second, table, X as Vpn);
    const old = ptep_get_and_clear(second, entry);
    set_pte_at(second, entry, ((old as number) ^ PTE_DIRTY) as never);
    pte_unmap_unlock(second, table);
  });
  assert.equal(attempt(cpu, X, flags, lock), held(0));
  assert.is(counted('pte_race_lost'), 1);
  assert.is(readsAs(cpu, X), WRITTEN);
});

test.run();

/**
 * GUP and the other faults of the kernel: who holds mmap_lock when, what is told to the caller, and what happens to the pages. One thread: what another
 * CPU does is done when the first would sleep, or at a named point.
 */
import type { MmId, Pfn, Vpn } from '@faultlab/core/base/brand';
import { EAGAIN, EBUSY, EFAULT, EHWPOISON, EINTR, ENOMEM, EPERM } from '@faultlab/core/base/errno';
import { break_ksm } from '@faultlab/core/fault/break_ksm';
import { faultin_page, vm_fault_to_errno } from '@faultlab/core/fault/faultin_page';
import { fixup_user_fault } from '@faultlab/core/fault/fixup_user_fault';
import * as foll from '@faultlab/core/fault/foll_flags';
import { __get_user_pages, __get_user_pages_locked, get_user_pages_unlocked, pin_user_pages_remote } from '@faultlab/core/fault/gup';
import { hmm_range_fault } from '@faultlab/core/fault/hmm_range_fault';
import { unpin_user_pages_dirty_lock } from '@faultlab/core/fault/unpin_user_pages';
import * as vmFault from '@faultlab/core/fault/vm_fault';
import { heldCount } from '@faultlab/core/locking/held_locks';
import { folio_maybe_dma_pinned, folio_ref_count, folioTest, PG_dirty } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { mmap_read_lock, mmap_read_unlock } from '@faultlab/core/mm/mmap_lock';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { POLICIES } from '@faultlab/core/policy/policies';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mlock } from '@faultlab/core/syscalls/mlock';
import { sys_fsync } from '@faultlab/core/syscalls/msync';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { BEFORE_FENCE_WAIT, BETWEEN_GUP_ATTEMPTS } from '@faultlab/core/trace/points';
import { readTrace } from '@faultlab/core/trace/trace_ring';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { process_vm_readv, process_vm_writev } from '@faultlab/core/user/process_vm_access';
import { assert, suite } from '@faultlab/test-support';
import { cachedFlags, cachedFolio } from '../fixtures/disk.ts';
import { hog } from '../fixtures/hog.ts';
import { A, D, F, HOLE, mapAnon, R, RW, type Waits, withWaits } from '../fixtures/waits.ts';

const test = suite('fault/gup');

const REMOTE_READ = foll.FOLL_REMOTE | foll.FOLL_UNLOCKABLE;
const LOCKED = (): foll.GupLock => ({ locked: true });
const areaOf = ({ cpu, mm }: Waits, page: Vpn): never => mas_walk(cpu, mmTree(cpu.memory, mm), page) as never;

/** One faultin_page under mmap_lock. @returns its answer, whether the lock is said to be held, and whether it is */
function faultin(waits: Waits, page: Vpn, how: number): [number, boolean, boolean] {
  const { cpu, mm } = waits;
  const lock = LOCKED();
  mmap_read_lock(cpu, mm);
  const answer = faultin_page(cpu, areaOf(waits, page), page, how, false, lock);
  const held = heldCount(cpu) === 1;
  if (held) mmap_read_unlock(cpu, mm);
  return [answer, lock.locked, held];
}

test('faultin_page: what each result does to the lock, and what the caller hears', () => {
  withWaits({}, (waits) => {
    const { busy, counted, cpu } = waits;
    assert.equal(faultin(waits, A, REMOTE_READ), [0, true, true], 'nothing to wait for');
    busy();
    assert.equal(faultin(waits, D, REMOTE_READ), [EBUSY, false, false], 'RETRY');
    busy();
    assert.equal(faultin(waits, D, REMOTE_READ | foll.FOLL_NOWAIT), [EBUSY, true, true], 'RETRY with NOWAIT');
    cpu.idle?.();
    assert.equal(faultin(waits, F, REMOTE_READ | foll.FOLL_WRITE), [EAGAIN, false, false], 'COMPLETED');
    assert.equal(
      faultin(waits, (F + 1) as Vpn, REMOTE_READ | foll.FOLL_WRITE | foll.FOLL_TRIED),
      [0, true, true],
      'a later attempt is not',
    );
    assert.equal(
      faultin(waits, (F + 2) as Vpn, foll.FOLL_REMOTE | foll.FOLL_WRITE),
      [0, true, true],
      'nor for a caller that needs its lock',
    );
    const restore = hog(cpu, 'frames', 0);
    assert.equal(faultin(waits, (A + 1) as Vpn, REMOTE_READ | foll.FOLL_WRITE), [ENOMEM, true, true], 'OOM');
    restore();
    counted();
    assert.equal(faultin(waits, (A + 2) as Vpn, REMOTE_READ | foll.FOLL_NOFAULT), [EFAULT, true, true], 'NOFAULT');
    assert.is(counted().faults_gup, 0);
  });
});

test('vm_fault_to_errno: broken memory has an error of its own for those who ask', () => {
  const { VM_FAULT_HWPOISON, VM_FAULT_HWPOISON_LARGE, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_FAULT_SIGSEGV } = vmFault;
  for (const [result, errno, asked] of [
    [VM_FAULT_OOM, ENOMEM, ENOMEM],
    [VM_FAULT_HWPOISON, EFAULT, EHWPOISON],
    [VM_FAULT_HWPOISON_LARGE, EFAULT, EHWPOISON],
    [VM_FAULT_SIGBUS, EFAULT, EFAULT],
    [VM_FAULT_SIGSEGV, EFAULT, EFAULT],
  ] as const) {
    assert.equal([vm_fault_to_errno(result, 0), vm_fault_to_errno(result, foll.FOLL_HWPOISON)], [errno, asked]);
  }
});

test('__get_user_pages: pages before an error, a hole or the loss of the lock count, and the rest is for whoever goes on', () => {
  withWaits({}, (waits) => {
    const { cpu, mm, busy } = waits;
    const get = (start: Vpn, count: number, how = REMOTE_READ): [number, number, boolean] => {
      const pages: Pfn[] = [];
      const lock = LOCKED();
      mmap_read_lock(cpu, mm);
      const got = __get_user_pages(cpu, mm, start, count, how | foll.FOLL_GET, pages, lock);
      if (lock.locked) mmap_read_unlock(cpu, mm);
      for (const pfn of pages) if (pfn !== 0) folio_put(cpu, pfn);
      return [got, pages.length, lock.locked];
    };
    assert.equal(get(A, 8), [8, 8, true]);
    assert.equal(get((A + 6) as Vpn, 4), [2, 2, true], 'a hole');
    assert.equal(get(HOLE, 1), [EFAULT, 0, true]);
    assert.equal(get(HOLE, 1, REMOTE_READ | foll.FOLL_MADV_POPULATE), [ENOMEM, 0, true]);
    assert.equal(get(R, 1, REMOTE_READ | foll.FOLL_WRITE), [EFAULT, 0, true]);
    assert.is(userRead(cpu, D), 0);
    busy();
    assert.equal(get(D, 4), [1, 1, false], 'the second page had to wait');
    send_signal(cpu, cpu.id, SIGKILL);
    assert.equal(get(A, 1), [EINTR, 0, true]);
    takeSignals(cpu);
  });
});

test('__get_user_pages_locked: after the loss of the lock one page TRIED, then the rest in bulk', () => {
  withWaits({ cached: false, trace: true, size: { traceEntries: 512 } }, (waits) => {
    const { cpu, mm, counted } = waits;
    const pages: Pfn[] = [];
    const lock = { locked: false };
    counted();
    assert.is(__get_user_pages_locked(cpu, mm, F, 4, REMOTE_READ, pages, lock), 4);
    assert.equal([pages.length, lock.locked, heldCount(cpu)], [4, false, 0]);
    for (const pfn of pages) folio_put(cpu, pfn);
    const { mmap_read_acquired, faults_gup_retried } = counted();
    // Without readahead each page is read by itself.
    assert.equal([mmap_read_acquired, faults_gup_retried], [5, 4]);
    const attempts = readTrace(cpu.memory, cpu.id).filter(({ name }) => name === 'handle_mm_fault');
    const flags = attempts.map(({ args }) => ((args['flags'] as number) & vmFault.FAULT_FLAG_TRIED) !== 0);
    assert.equal(
      flags,
      [false, true, false, true, false, true, false, true],
      'a page after one that was TRIED is tried for the first time again',
    );
  });
});

test('__get_user_pages_locked: a caller with the lock is told that it is gone, and one whose lock was not lost keeps it', () => {
  withWaits({}, ({ cpu, mm, busy }) => {
    mmap_read_lock(cpu, mm);
    const kept = LOCKED();
    assert.is(__get_user_pages_locked(cpu, mm, A, 8, REMOTE_READ, null, kept), 8);
    assert.equal([kept.locked, heldCount(cpu)], [true, 1]);
    const lost = LOCKED();
    busy();
    assert.is(__get_user_pages_locked(cpu, mm, D, 4, REMOTE_READ, null, lost), 4);
    assert.equal([lost.locked, heldCount(cpu)], [false, 0]);
  });
});

test('__get_user_pages_locked: an area that goes while the lock is gone ends the call with what was done', () => {
  withWaits({}, (waits) => {
    const { cpu, mm, helper, points, busy } = waits;
    assert.is(userRead(cpu, D), 0);
    busy();
    points.once(BETWEEN_GUP_ATTEMPTS, () => assert.is(sys_munmap(helper, D + 1, 3), 0));
    assert.is(__get_user_pages_locked(cpu, mm, D, 4, REMOTE_READ, null, { locked: false }), 1);
    assert.is(heldCount(cpu), 0);
  });
});

test('__get_user_pages_locked: a fault that drops the lock again and again is tried as often', () => {
  withWaits({}, (waits) => {
    const { cpu, mm, helper, file, points, whenAsleep, counted } = waits;
    // The page is locked again each time between two attempts; a later attempt waits with the lock, so only the first one drops it.
    const pfn = cachedFolio(cpu, file, 0);
    folio_lock(helper, pfn);
    points.once(BETWEEN_GUP_ATTEMPTS, () => folio_lock(helper, pfn));
    const held: number[] = [];
    const unlock = (): void => {
      held.push(heldCount(cpu));
      folio_unlock(helper, pfn);
    };
    whenAsleep(unlock, unlock);
    counted();
    assert.is(__get_user_pages_locked(cpu, mm, F, 1, REMOTE_READ, null, { locked: false }), 1);
    assert.equal([held, counted().mmap_read_acquired], [[0, 1], 2]);
  });
});

test('get_user_pages_unlocked with NOWAIT: a page that would have to be waited for is not there, and nothing is wrong', () => {
  withWaits({}, ({ cpu, busy, counted }) => {
    busy();
    counted();
    const pages: Pfn[] = [];
    assert.is(get_user_pages_unlocked(cpu, D, 2, foll.FOLL_NOWAIT, pages), 0);
    const { lock_dropped_for_io, faults_gup_retried } = counted();
    assert.equal([pages, lock_dropped_for_io, faults_gup_retried], [[], 0, 1]);
    assert.is(heldCount(cpu), 0);
  });
});

for (const policy of POLICIES) {
  test(`${policy.name}: process_vm_readv and _writev go through every kind of area, and all is given back`, () => {
    withWaits({ policy, cached: false }, (waits) => {
      const { cpu, mm, busy } = waits;
      assert.is(process_vm_writev(cpu, mm, A, [11, 12, 13]), 3);
      const stamps: number[] = [];
      assert.is(process_vm_readv(cpu, mm, A, 8, stamps), 8);
      assert.equal(stamps, [11, 12, 13, 0, 0, 0, 0, 0]);
      assert.is(process_vm_writev(cpu, mm, F, [21, 22, 23, 24]), 4);
      assert.is(userRead(cpu, (F + 2) as Vpn), 0);
      assert.is(cpu.value, 23);
      busy();
      assert.is(process_vm_writev(cpu, mm, D, [31, 32]), 2);
      assert.is(process_vm_readv(cpu, mm, (A + 6) as Vpn, 9, []), 2, 'up to the hole');
      assert.is(process_vm_readv(cpu, mm, HOLE, 1, []), EFAULT);
      assert.is(process_vm_writev(cpu, mm, R, [1]), EFAULT);
      assert.is(process_vm_writev(cpu, mm, R, []), 0);
    });
  });
}

test('a pin keeps its page through munmap and write-back, and the page is dirty when the pin is given back', () => {
  withWaits({}, (waits) => {
    const { cpu, mm, file } = waits;
    const pages: Pfn[] = [];
    const lock = LOCKED();
    mmap_read_lock(cpu, mm);
    assert.is(pin_user_pages_remote(cpu, mm, F, 1, foll.FOLL_WRITE, pages, lock), 1);
    assert.is(lock.locked, false, 'the shared write was COMPLETED');
    const [pfn] = pages as [Pfn];
    assert.is(folio_maybe_dma_pinned(cpu, pfn), true);
    assert.is(sys_munmap(cpu, F, 4), 0);
    assert.is(sys_fsync(cpu, file), 0);
    assert.is(cachedFlags(cpu, file, 0) & PG_dirty, 0);
    unpin_user_pages_dirty_lock(cpu, pages, true);
    assert.is(folioTest(cpu, pfn, PG_dirty), true);
    assert.is(folio_ref_count(cpu, pfn), 1, 'the page cache');
    assert.is(sys_fsync(cpu, file), 0);
  });
});

test('fixup_user_fault: the lock is held on return whatever happened, and its loss is told', () => {
  withWaits({}, (waits) => {
    const { cpu, mm, helper, busy, points, counted } = waits;
    const fix = (page: Vpn, flags: number): [number, boolean, number] => {
      const told = { unlocked: false };
      mmap_read_lock(cpu, mm);
      const answer = fixup_user_fault(cpu, mm, page, flags, told);
      const held = heldCount(cpu);
      mmap_read_unlock(cpu, mm);
      return [answer, told.unlocked, held];
    };
    assert.equal(fix(A, vmFault.FAULT_FLAG_WRITE), [0, false, 1]);
    assert.equal(fix(F, vmFault.FAULT_FLAG_WRITE), [0, true, 1], 'COMPLETED');
    busy();
    counted();
    assert.equal(fix(D, 0), [0, true, 1], 'RETRY, then TRIED');
    const { faults_gup, faults_gup_retried } = counted();
    assert.equal([faults_gup, faults_gup_retried], [2, 1]);
    assert.equal(fix(HOLE, 0), [EFAULT, false, 1]);
    assert.equal(fix(R, vmFault.FAULT_FLAG_WRITE), [EFAULT, false, 1]);
    busy();
    points.once(BETWEEN_GUP_ATTEMPTS, () => sys_munmap(helper, D, 4));
    assert.equal(fix((D + 1) as Vpn, 0), [EFAULT, true, 1], 'the area is looked up again');
  });
});

test('fixup_user_fault for a caller that cannot lose its lock waits with it', () => {
  withWaits({}, ({ cpu, mm, busy, points }) => {
    let held = -1;
    points.once(BEFORE_FENCE_WAIT, () => {
      held = heldCount(cpu);
    });
    busy();
    mmap_read_lock(cpu, mm);
    assert.is(fixup_user_fault(cpu, mm, D, 0, null), 0);
    assert.is(held, 2, 'mmap_lock and the reservation');
    mmap_read_unlock(cpu, mm);
  });
});

test('hmm_range_fault allows no retry: it waits with mmap_lock, and a shared write is not COMPLETED', () => {
  withWaits({}, ({ cpu, mm, busy, counted }) => {
    busy();
    mmap_read_lock(cpu, mm);
    counted();
    assert.is(hmm_range_fault(cpu, mm, D, (D + 4) as Vpn, false), 0);
    assert.is(hmm_range_fault(cpu, mm, F, (F + 4) as Vpn, true), 0);
    const { mmap_read_acquired, dirty_dropped, faults_retried } = counted();
    assert.equal([mmap_read_acquired, dirty_dropped, faults_retried], [0, 0, 0]);
    assert.is(hmm_range_fault(cpu, mm, HOLE, (HOLE + 1) as Vpn, false), EFAULT);
    assert.is(hmm_range_fault(cpu, mm, R, (R + 1) as Vpn, true), EPERM);
    mmap_read_unlock(cpu, mm);
  });
});

test('break_ksm gives a page that is shared with a child to its owner, in one fault under mmap_lock', () => {
  withWaits({}, (waits) => {
    const { cpu, mm, counted } = waits;
    assert.is(userWrite(cpu, A, 5), 0);
    const child = waits.fork() as MmId;
    mmap_read_lock(cpu, mm);
    counted();
    assert.is(break_ksm(cpu, areaOf(waits, A), A), 0);
    assert.is(break_ksm(cpu, areaOf(waits, A), A), 0, 'again there is nothing to do');
    assert.is(break_ksm(cpu, areaOf(waits, A), (A + 3) as Vpn), 0, 'nor where nothing is mapped');
    assert.equal([counted().faults_gup, heldCount(cpu)], [1, 1]);
    mmap_read_unlock(cpu, mm);
    assert.is(userRead(cpu, A), 0);
    assert.is(cpu.value, 5);
    waits.exit(child);
  });
});

test('populating what has to be waited for takes the lock again: mlock looks the area up, madvise tries the page at once', () => {
  withWaits({ cached: false, trace: true, size: { traceEntries: 512 } }, (waits) => {
    const { cpu, counted } = waits;
    counted();
    assert.is(sys_mlock(cpu, F, 4), 0);
    const locked = counted();
    assert.equal([locked.mmap_write_acquired, locked.mmap_read_acquired, locked.faults_gup_retried], [1, 5, 4]);
    const attempts = readTrace(cpu.memory, cpu.id).filter(({ name }) => name === 'handle_mm_fault');
    assert.ok(
      attempts.every(({ args }) => ((args['flags'] as number) & vmFault.FAULT_FLAG_TRIED) === 0),
      'mlock starts over',
    );
  });
  withWaits({ cached: false }, (waits) => {
    const { cpu, counted } = waits;
    counted();
    assert.is(sys_madvise(cpu, F, 4, mman.MADV_POPULATE_READ), 0);
    const { mmap_read_acquired, faults_gup_retried } = counted();
    // Lost for each page; and what was taken last is released by GUP, and taken once more for the end of madvise.
    assert.equal([mmap_read_acquired, faults_gup_retried], [6, 4]);
    mapAnon(cpu, HOLE, 1, RW);
    assert.is(sys_madvise(cpu, HOLE, 2, mman.MADV_POPULATE_WRITE), ENOMEM);
    assert.is(userWrite(cpu, HOLE, 1), 0);
  });
});

test.run();

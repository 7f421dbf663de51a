/**
 * Registration with userfaultfd, answers and write protection, as a program sees them: areas split and merge, errors, what fork, mremap and mprotect
 * leave of it. The handler runs on the same thread, when the CPU would sleep.
 */
import type { MmId, Pte, UffdId, Vpn } from '@faultlab/core/base/brand';
import { EAGAIN, EBUSY, EEXIST, EINTR, EINVAL, ENODEV, ENOENT, ENOMEM, ESRCH } from '@faultlab/core/base/errno';
import { createFile, freeFile } from '@faultlab/core/mm/address_space';
import { dropFilePages } from '@faultlab/core/mm/filemap';
import { mm_alloc, set_max_map_count } from '@faultlab/core/mm/mm_struct';
import { MAP_FIXED, MAP_PRIVATE, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_READ } from '@faultlab/core/mm/mman';
import { drain_local_pages } from '@faultlab/core/mm/page_alloc';
import { pte_uffd_wp, pte_write } from '@faultlab/core/mm/pte';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { UFFD_FEATURE_WP_UNPOPULATED } from '@faultlab/core/mm/userfaultfd_ctx';
import { vm_userfaultfd_ctx } from '@faultlab/core/mm/vm_area_struct';
import { policyByName } from '@faultlab/core/policy/policies';
import { SIGUSR1, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import {
  userfaultfd_copy,
  userfaultfd_poison,
  userfaultfd_wake,
  userfaultfd_writeprotect,
  userfaultfd_zeropage,
} from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { userfaultfd_ctx_read } from '@faultlab/core/syscalls/userfaultfd_read';
import {
  UFFDIO_REGISTER_MODE_MINOR as MINOR,
  UFFDIO_REGISTER_MODE_MISSING as MISSING,
  userfaultfd_register,
  userfaultfd_unregister,
  UFFDIO_REGISTER_MODE_WP as WP,
} from '@faultlab/core/syscalls/userfaultfd_register';
import { readCounters } from '@faultlab/core/trace/counters';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { hog } from '../fixtures/hog.ts';
import { areasOf, layoutText } from '../fixtures/layout.ts';
import { mapPrivate, pteOf, RW, type Scene, WRITTEN_PAGE, withUserfault, X } from '../fixtures/userfault.ts';
import { RWSEM_6_18, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/userfaultfd');
const DESIGNS = [policyByName('linux-6.18'), RWSEM_6_18];

const contexts = ({ cpu, mm }: Scene): string =>
  areasOf(cpu, mm)
    .map(({ vma, start, end }) => `${start - X}-${end - X}:${vm_userfaultfd_ctx(cpu.memory, vma)}`)
    .join(' ');

// --- registration -----------------------------------------------------------------------------------------------------------------------------

test('a part that is registered splits the area, and taken off again it merges', () => {
  withCpu({}, ({ cpu, mm }) => {
    mapPrivate(cpu, X, 16);
    const ctx = sys_userfaultfd(cpu) as UffdId;
    assert.is(userfaultfd_register(cpu, ctx, X + 4, 4, MISSING), 0);
    assert.is(layoutText(cpu, mm, X), '0-4 rw-p, 4-8 rw-p, 8-16 rw-p');
    assert.is(userfaultfd_register(cpu, ctx, X + 8, 2, MISSING), 0, 'the neighbour takes it');
    assert.is(layoutText(cpu, mm, X), '0-4 rw-p, 4-10 rw-p, 10-16 rw-p');
    assert.is(userfaultfd_register(cpu, ctx, X + 2, 10, MISSING), 0, 'what is registered already stays as it is');
    assert.is(layoutText(cpu, mm, X), '0-2 rw-p, 2-12 rw-p, 12-16 rw-p');
    assert.is(userfaultfd_unregister(cpu, ctx, X + 4, 4), 0);
    assert.is(layoutText(cpu, mm, X), '0-2 rw-p, 2-4 rw-p, 4-8 rw-p, 8-12 rw-p, 12-16 rw-p');
    assert.is(userfaultfd_unregister(cpu, ctx, X, 16), 0);
    assert.is(layoutText(cpu, mm, X), '0-16 rw-p');
    userfaultfd_release(cpu, ctx);
  });
});

test('areas of two contexts do not merge, nor does a new area with a registered one', () => {
  withUserfault({ mode: MISSING }, (scene) => {
    const { cpu, ctx } = scene;
    mapPrivate(cpu, X + 16, 4);
    assert.is(contexts(scene), `0-16:${ctx} 16-20:0`);
    const other = sys_userfaultfd(cpu) as UffdId;
    assert.is(userfaultfd_register(cpu, other, X + 16, 4, MISSING), 0);
    assert.is(contexts(scene), `0-16:${ctx} 16-20:${other}`);
    userfaultfd_release(cpu, other);
    assert.is(contexts(scene), `0-16:${ctx} 16-20:0`);
  });
});

test('closing a context takes all its areas off and merges what had been split for it', () => {
  withCpu({}, ({ cpu, mm }) => {
    mapPrivate(cpu, X, 16);
    const ctx = sys_userfaultfd(cpu) as UffdId;
    for (const at of [1, 5, 9]) assert.is(userfaultfd_register(cpu, ctx, X + at, 2, MISSING), 0);
    assert.is(areasOf(cpu, mm).length, 7);
    userfaultfd_release(cpu, ctx);
    assert.is(layoutText(cpu, mm, X), '0-16 rw-p');
  });
});

test('mprotect splits a registered area and keeps both parts registered; back again they merge', () => {
  withUserfault({ mode: MISSING }, (scene) => {
    const { cpu, ctx } = scene;
    assert.is(sys_mprotect(cpu, X, 4, PROT_READ), 0);
    assert.is(contexts(scene), `0-4:${ctx} 4-16:${ctx}`);
    assert.is(sys_mprotect(cpu, X, 4, RW), 0);
    assert.is(contexts(scene), `0-16:${ctx}`);
  });
});

test('what cannot be registered', () => {
  withUserfault({ mode: MISSING }, ({ cpu, ctx }) => {
    const file = createFile(cpu, 4);
    sys_mmap(cpu, X + 32, 4, RW, MAP_PRIVATE | MAP_FIXED, file, 0);
    mapPrivate(cpu, X + 40, 4);
    const other = sys_userfaultfd(cpu) as UffdId;
    const register = (start: number, len: number, mode: number): number => userfaultfd_register(cpu, other, start, len, mode);
    assert.is(register(X + 40, 4, 0), EINVAL, 'no mode');
    assert.is(register(X + 40, 4, 8), EINVAL, 'an unknown mode');
    assert.is(register(X + 40, 0, MISSING), EINVAL, 'no pages');
    assert.is(register(-1, 4, MISSING), EINVAL, 'no address');
    assert.is(register(X + 50, 4, MISSING), EINVAL, 'no area');
    assert.is(register(X + 32, 4, MISSING), EINVAL, 'a file that is not shmem');
    assert.is(register(X + 40, 4, MINOR), EINVAL, 'minor faults of anonymous memory');
    assert.is(register(X, 4, MISSING), EBUSY, 'the area of another context');
    assert.is(register(X + 36, 8, MISSING), 0, 'a hole is passed over');
    assert.is(userfaultfd_unregister(cpu, ctx, X + 40, 4), EINVAL, 'the area of another context');
    assert.is(userfaultfd_unregister(cpu, other, X + 32, 4), EINVAL, 'a file that is not shmem');
    userfaultfd_release(cpu, other);
    sys_munmap(cpu, X + 32, 16);
    dropFilePages(cpu, file);
    freeFile(cpu, file);
  });
});

test('running out of contexts and of areas is ENOMEM, and nothing is left', () => {
  withCpu({}, ({ cpu, mm }) => {
    mapPrivate(cpu, X, 16);
    const all = [1, 2, 3, 4].map(() => sys_userfaultfd(cpu));
    assert.ok(all.every((ctx) => ctx > 0));
    assert.is(sys_userfaultfd(cpu), ENOMEM);
    set_max_map_count(cpu.memory, mm, 1);
    assert.is(userfaultfd_register(cpu, all[0] as UffdId, X + 4, 4, MISSING), ENOMEM);
    set_max_map_count(cpu.memory, mm, 100);
    for (const ctx of all) userfaultfd_release(cpu, ctx as UffdId);
    assert.is(layoutText(cpu, mm, X), '0-16 rw-p');
  });
});

// --- answers ----------------------------------------------------------------------------------------------------------------------------------

for (const policy of [...DESIGNS, policyByName('linux-6.0'), policyByName('linux-6.6')]) {
  test(`${policy.name}: what an answer returns`, () => {
    withUserfault({ mode: MISSING, policy }, ({ cpu, handler, ctx }) => {
      assert.is(
        userfaultfd_copy(handler, ctx, X, 4, (vpn) => vpn - X + 1),
        4,
      );
      assert.is(userRead(cpu, (X + 3) as Vpn), 0);
      assert.is(cpu.value, 4);
      assert.is(userfaultfd_copy(handler, ctx, X, 1, 1), EEXIST);
      assert.is(userfaultfd_zeropage(handler, ctx, X + 6, 8), 2, 'the page that was written stops it; what comes before is done');
      assert.is(userfaultfd_copy(handler, ctx, X + 12, 8, 1), ENOENT, 'not all in the area');
      assert.is(userfaultfd_copy(handler, ctx, X + 100, 1, 1), ENOENT, 'no area');
      assert.is(userfaultfd_copy(handler, ctx, X, 0, 1), EINVAL);
      assert.is(userfaultfd_copy(handler, ctx, X + 12, 1, 1, { wp: true }), EINVAL, 'not registered for write protection');
      assert.is(userfaultfd_writeprotect(handler, ctx, X, 1, true), ENOENT);
      assert.is(userfaultfd_writeprotect(handler, ctx, X + 100, 1, true), ENOENT);
      assert.is(userfaultfd_wake(handler, ctx, X, 0), EINVAL);
      assert.is(userfaultfd_wake(handler, ctx, X, 1), 0);
      assert.is(userfaultfd_poison(handler, ctx, X + 12, 1), 1);
      assert.is(userfaultfd_poison(handler, ctx, X + 12, 1), EEXIST);
      assert.ok(userRead(cpu, (X + 12) as Vpn) !== 0, 'an access to a poisoned page fails');
    });
  });
}

test('an answer takes mmap_lock for the first page of an area without an anon_vma, and after that the VMA lock', () => {
  withCpu({}, ({ cpu, other }) => {
    mapPrivate(cpu, X, 16);
    const ctx = sys_userfaultfd(cpu) as UffdId;
    assert.is(userfaultfd_register(cpu, ctx, X, 16, MISSING), 0);
    const acquired = (): number => readCounters(cpu.memory).mmap_read_acquired;
    const before = acquired();
    assert.is(userfaultfd_copy(other(), ctx, X, 1, 1), 1);
    assert.is(acquired(), before + 1);
    assert.is(userfaultfd_copy(other(), ctx, X + 1, 1, 1), 1);
    assert.is(acquired(), before + 1);
    userfaultfd_release(cpu, ctx);
  });
});

test('the context of an address space that is gone: ESRCH, and closing it frees the record', () => {
  withCpu({}, ({ cpu, mm, other }) => {
    const space = mm_alloc(cpu);
    switch_mm(cpu, space);
    mapPrivate(cpu, X, 4);
    const ctx = sys_userfaultfd(cpu) as UffdId;
    assert.is(userfaultfd_register(cpu, ctx, X, 4, MISSING), 0);
    switch_mm(cpu, mm);
    mmput(cpu, space);
    assert.is(userfaultfd_copy(other(), ctx, X, 1, 1), ESRCH);
    assert.is(userfaultfd_register(cpu, ctx, X, 4, MISSING), ENOMEM);
    userfaultfd_release(cpu, ctx);
  });
});

test('reading: nothing there, a signal, a context that is closed', () => {
  withUserfault({ mode: MISSING }, (scene) => {
    const { cpu, handler, ctx } = scene;
    assert.is(userfaultfd_ctx_read(handler, ctx, 0), EAGAIN);
    send_signal(cpu, handler.id, SIGUSR1);
    assert.is(userfaultfd_ctx_read(handler, ctx, 0), EINTR);
    takeSignals(handler);
    handler.idle = () => {
      userfaultfd_release(cpu, ctx);
      return true;
    };
    scene.closed = true;
    assert.is(userfaultfd_ctx_read(handler, ctx, 1), ENODEV);
  });
});

test('no frame, no page table: ENOMEM for the answer, after what could be done; the next one succeeds', () => {
  withUserfault({ mode: MISSING | WP, features: UFFD_FEATURE_WP_UNPOPULATED }, (scene) => {
    const { cpu, handler, ctx } = scene;
    mapPrivate(cpu, X + 512, 4);
    assert.is(userfaultfd_register(cpu, ctx, X + 512, 4, MISSING | WP), 0);
    assert.is(userfaultfd_copy(handler, ctx, X, 1, 1), 1); // The handler's CPU has a stock of frames now.
    for (const kind of ['frames', 'tables'] as const) {
      const at = kind === 'frames' ? X + 1 : X + 512;
      drain_local_pages(cpu);
      const giveBack = hog(handler, kind, 0);
      assert.is(userfaultfd_copy(handler, ctx, at, 2, 1), ENOMEM, kind);
      if (kind === 'tables') assert.is(userfaultfd_writeprotect(handler, ctx, at, 2, true), ENOMEM);
      giveBack();
      assert.is(userfaultfd_copy(handler, ctx, at, 2, 1), 2, kind);
    }
  });
});

// --- write protection -----------------------------------------------------------------------------------------------------------------------------

test('mprotect does not give back the right to write that a handler has taken', () => {
  withUserfault({ mode: WP }, (scene) => {
    const { cpu, handler, ctx } = scene;
    assert.is(userfaultfd_writeprotect(handler, ctx, X, 16, true), 0);
    assert.is(sys_mprotect(cpu, X, 16, PROT_READ), 0);
    assert.is(sys_mprotect(cpu, X, 16, RW), 0);
    assert.ok(pte_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte) && !pte_write(pteOf(cpu, WRITTEN_PAGE) as Pte));
    scene.whenAsleep.push(() => assert.is(userfaultfd_writeprotect(handler, ctx, WRITTEN_PAGE, 1, false), 0));
    assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 1), 0);
  });
});

test('unregistering ends write protection, page by page and without a fault', () => {
  withUserfault({ mode: WP }, ({ cpu, handler, ctx }) => {
    assert.is(userfaultfd_writeprotect(handler, ctx, X, 16, true), 0);
    assert.is(userfaultfd_unregister(cpu, ctx, X, 16), 0);
    assert.not.ok(pte_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte));
    assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 1), 0);
  });
});

test('a page that is not there is protected only if the handler asked for that, by a marker', () => {
  withUserfault({ mode: WP, features: UFFD_FEATURE_WP_UNPOPULATED }, (scene) => {
    const { cpu, handler, ctx } = scene;
    assert.is(userfaultfd_writeprotect(handler, ctx, X, 4, true), 0);
    assert.ok(pteOf(cpu, X) !== 0);
    assert.is(userfaultfd_writeprotect(handler, ctx, X + 1, 1, false), 0);
    assert.is(pteOf(cpu, X + 1), 0, 'the marker goes');
    // The first write finds the marker and maps a protected page, the next look asks the handler.
    scene.whenAsleep.push(() => assert.is(userfaultfd_writeprotect(handler, ctx, X, 1, false), 0));
    assert.is(userWrite(cpu, X as Vpn, 5), 0);
    assert.is(userRead(cpu, (X + 2) as Vpn), 0);
    assert.ok(pte_uffd_wp(pteOf(cpu, X + 2) as Pte), 'a read maps the zero page, protected');
    assert.is(userfaultfd_copy(handler, ctx, X + 3, 1, 9), 1, 'an answer replaces the marker');
  });
});

test('fork: the child is not registered and nothing of it is protected, the parent is both', () => {
  withUserfault({ mode: MISSING | WP }, (scene) => {
    const { cpu, handler, ctx, mm } = scene;
    assert.is(userfaultfd_writeprotect(handler, ctx, WRITTEN_PAGE, 1, true), 0);
    const child = scene.fork() as MmId;
    switch_mm(cpu, child);
    assert.equal(
      areasOf(cpu, child).map(({ vma }) => vm_userfaultfd_ctx(cpu.memory, vma)),
      [0],
    );
    assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 5), 0);
    assert.is(userWrite(cpu, X as Vpn, 5), 0);
    switch_mm(cpu, mm);
    assert.ok(pte_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte));
    scene.whenAsleep.push(
      // The page is shared with the child, so it is not writable at once; the write copies it.
      () => assert.is(userfaultfd_writeprotect(handler, ctx, WRITTEN_PAGE, 1, false), 0),
    );
    assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 6), 0);
    switch_mm(cpu, child);
    assert.is(userRead(cpu, WRITTEN_PAGE as Vpn), 0);
    assert.is(cpu.value, 5);
    switch_mm(cpu, mm);
  });
});

test('mremap: the new place is not registered, and its pages lose the protection', () => {
  withUserfault({ mode: WP }, (scene) => {
    const { cpu, handler, ctx } = scene;
    assert.is(userfaultfd_writeprotect(handler, ctx, X, 16, true), 0);
    assert.is(sys_mremap(cpu, X + 8, 8, 8, MREMAP_MAYMOVE | MREMAP_FIXED, X + 64), X + 64);
    assert.is(contexts(scene), `0-8:${ctx} 64-72:0`);
    assert.is(userWrite(cpu, (X + 64) as Vpn, 1), 0);
  });
});

test.run();

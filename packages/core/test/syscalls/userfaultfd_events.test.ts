/**
 * Changes of the address space that a userfaultfd handler is told of, and what it may not do until it has been told. The handler runs on the same
 * thread, when the CPU that changes would sleep.
 */
import type { MmId, Pte, UffdId, Vpn } from '@faultlab/core/base/brand';
import { NO_MM } from '@faultlab/core/base/brand';
import { EAGAIN, EINTR, ENOMEM } from '@faultlab/core/base/errno';
import { cpuOffline, cpuOnline } from '@faultlab/core/boot';
import { MADV_DONTNEED, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_READ } from '@faultlab/core/mm/mman';
import { pte_uffd_wp } from '@faultlab/core/mm/pte';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import {
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
} from '@faultlab/core/mm/userfaultfd_ctx';
import {
  UFFD_EVENT_FORK,
  UFFD_EVENT_PAGEFAULT,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_EVENT_UNMAP,
} from '@faultlab/core/mm/userfaultfd_wait';
import { vm_userfaultfd_ctx } from '@faultlab/core/mm/vm_area_struct';
import { policyByName } from '@faultlab/core/policy/policies';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import { userfaultfd_copy, userfaultfd_writeprotect } from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { userfaultfd_ctx_read } from '@faultlab/core/syscalls/userfaultfd_read';
import { UFFDIO_REGISTER_MODE_MISSING as MISSING, UFFDIO_REGISTER_MODE_WP as WP } from '@faultlab/core/syscalls/userfaultfd_register';
import { userRead } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { areasOf } from '../fixtures/layout.ts';
import { mapPrivate, pteOf, type Scene, WRITTEN, WRITTEN_PAGE, withUserfault, X } from '../fixtures/userfault.ts';
import { RWSEM_6_18 } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/userfaultfd_events');
const DESIGNS = [policyByName('linux-6.18'), RWSEM_6_18];

const contexts = ({ cpu, mm }: Scene): string =>
  areasOf(cpu, mm)
    .map(({ vma, start, end }) => `${start - X}-${end - X}:${vm_userfaultfd_ctx(cpu.memory, vma)}`)
    .join(' ');

// --- events -----------------------------------------------------------------------------------------------------------------------------------------

/** The handler is refused, reads the event, and is not refused any more. */
function told(scene: Scene, event: number, vpn: number, pages: number, argument = 0): void {
  const { handler, ctx } = scene;
  assert.is(userfaultfd_copy(handler, ctx, X + 1, 1, 1), EAGAIN);
  const message = scene.read();
  assert.equal({ ...message, flags: 0 }, { event, vpn, flags: 0, pages, argument });
}

/** A system call of the handler in the same address space, with everything deferred done: the first CPU sleeps, so it holds nothing up. */
function asHandler({ handler, mm }: Scene, call: () => void): void {
  cpuOnline(handler);
  switch_mm(handler, mm);
  call();
  switch_mm(handler, NO_MM);
  cpuOffline(handler);
}

for (const policy of DESIGNS) {
  test(`${policy.name}: MADV_DONTNEED tells the handler before it discards, and drops mmap_lock for it`, () => {
    withUserfault({ mode: MISSING, features: UFFD_FEATURE_EVENT_REMOVE, policy }, (scene) => {
      const { cpu, handler } = scene;
      scene.whenAsleep.push(() => {
        told(scene, UFFD_EVENT_REMOVE, X + 4, 8);
        assert.ok(pteOf(cpu, WRITTEN_PAGE) !== 0, 'the page is still there');
      });
      assert.is(sys_madvise(cpu, X + 4, 8, MADV_DONTNEED), 0);
      assert.is(pteOf(cpu, WRITTEN_PAGE), 0);
      assert.is(userfaultfd_copy(handler, scene.ctx, X + 1, 1, 1), 1);
    });
  });

  test(`${policy.name}: the area that MADV_DONTNEED was told of is unmapped meanwhile: ENOMEM`, () => {
    withUserfault({ mode: MISSING, features: UFFD_FEATURE_EVENT_REMOVE, policy }, (scene) => {
      const { cpu, handler } = scene;
      scene.whenAsleep.push(() => {
        asHandler(scene, () => assert.is(sys_munmap(handler, X, 16), 0));
        scene.read();
      });
      assert.is(sys_madvise(cpu, X + 4, 8, MADV_DONTNEED), ENOMEM);
    });
  });

  test(`${policy.name}: split meanwhile, each part is discarded, and the handler is told again of the rest`, () => {
    withUserfault({ mode: MISSING, features: UFFD_FEATURE_EVENT_REMOVE, policy }, (scene) => {
      const { cpu, handler } = scene;
      scene.whenAsleep.push(
        () => {
          asHandler(scene, () => assert.is(sys_mprotect(handler, X + 6, 10, PROT_READ), 0));
          told(scene, UFFD_EVENT_REMOVE, X + 4, 8);
        },
        () => told(scene, UFFD_EVENT_REMOVE, X + 6, 6),
      );
      assert.is(sys_madvise(cpu, X + 4, 8, MADV_DONTNEED), 0);
      assert.is(pteOf(cpu, WRITTEN_PAGE), 0);
    });
  });

  test(`${policy.name}: munmap tells the handler when the range is gone, also mmap over it`, () => {
    withUserfault({ mode: MISSING, features: UFFD_FEATURE_EVENT_UNMAP, policy }, (scene) => {
      const { cpu } = scene;
      scene.whenAsleep.push(
        () => told(scene, UFFD_EVENT_UNMAP, X + 8, 4),
        () => told(scene, UFFD_EVENT_UNMAP, X + 12, 4),
      );
      assert.is(sys_munmap(cpu, X + 8, 4), 0);
      mapPrivate(cpu, X + 12, 4);
      assert.is(userRead(cpu, (X + 12) as Vpn), 0);
    });
  });

  test(`${policy.name}: mremap tells of the new place, which stays registered and protected`, () => {
    const features = UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_UNMAP;
    withUserfault({ mode: MISSING | WP, features, policy }, (scene) => {
      const { cpu, handler, ctx } = scene;
      assert.is(userfaultfd_writeprotect(handler, ctx, WRITTEN_PAGE, 1, true), 0);
      scene.whenAsleep.push(
        () => told(scene, UFFD_EVENT_REMAP, X + 8, 8, X + 64),
        () => told(scene, UFFD_EVENT_UNMAP, X + 8, 8),
      );
      assert.is(sys_mremap(cpu, X + 8, 8, 8, MREMAP_MAYMOVE | MREMAP_FIXED, X + 64), X + 64);
      assert.is(contexts(scene), `0-8:${ctx} 64-72:${ctx}`);
      assert.ok(pte_uffd_wp(pteOf(cpu, X + 64) as Pte));
      assert.is(userRead(cpu, (X + 64) as Vpn), 0);
      assert.is(cpu.value, WRITTEN);
    });
  });

  test(`${policy.name}: fork tells of the child's context, which handles the child's faults`, () => {
    withUserfault({ mode: MISSING | WP, features: UFFD_FEATURE_EVENT_FORK, policy }, (scene) => {
      const { cpu, handler, ctx, mm } = scene;
      assert.is(userfaultfd_writeprotect(handler, ctx, WRITTEN_PAGE, 1, true), 0);
      let theirs = 0 as UffdId;
      scene.whenAsleep.push(() => {
        assert.is(userfaultfd_copy(handler, ctx, X + 1, 1, 1), EAGAIN);
        const { event, argument } = scene.read();
        assert.is(event, UFFD_EVENT_FORK);
        theirs = argument as UffdId;
      });
      const child = scene.fork() as MmId;
      switch_mm(cpu, child);
      assert.ok(pte_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte), 'protection is inherited');
      scene.whenAsleep.push(() => {
        const message = userfaultfd_ctx_read(handler, theirs, 0);
        assert.ok(typeof message === 'object' && message.event === UFFD_EVENT_PAGEFAULT && message.vpn === X);
        assert.is(userfaultfd_copy(handler, theirs, X, 1, 3), 1);
      });
      assert.is(userRead(cpu, X as Vpn), 0);
      assert.is(cpu.value, 3);
      switch_mm(cpu, mm);
      userfaultfd_release(cpu, theirs);
    });
  });

  test(`${policy.name}: a killed fork does not wait for its event, and has no child`, () => {
    withUserfault({ mode: MISSING, features: UFFD_FEATURE_EVENT_FORK, policy }, (scene) => {
      const { cpu } = scene;
      scene.whenAsleep.push(() => send_signal(scene.handler, cpu.id, SIGKILL));
      assert.is(scene.fork(), EINTR);
      takeSignals(cpu);
      assert.is(userfaultfd_copy(scene.handler, scene.ctx, X, 1, 1), 1, 'no change is under way');
    });
  });

  test(`${policy.name}: a context closed while a munmap waits for its event`, () => {
    withUserfault({ mode: MISSING, features: UFFD_FEATURE_EVENT_UNMAP, policy }, (scene) => {
      scene.closed = true;
      scene.whenAsleep.push(() => userfaultfd_release(scene.handler, scene.ctx));
      assert.is(sys_munmap(scene.cpu, X, 4), 0);
    });
  });
}

test('a fork that runs out of contexts is ENOMEM, and no change is under way', () => {
  withUserfault({ mode: MISSING, features: UFFD_FEATURE_EVENT_FORK, size: { userfaultfds: 1 } }, (scene) => {
    assert.is(scene.fork(), ENOMEM);
    assert.is(userfaultfd_copy(scene.handler, scene.ctx, X, 1, 1), 1);
  });
});

test.run();

/**
 * Write protection on a page that is in swap: what faults may be tried more than twice for. The disk and the handler work when the CPU would sleep.
 */
import type { MmId, Pte, SwapId, UffdId, Vpn } from '@faultlab/core/base/brand';
import { FAULT_FLAG_TRIED, FAULT_FLAG_WRITE, VM_FAULT_MAJOR, VM_FAULT_RETRY } from '@faultlab/core/fault/vm_fault';
import { serveQueued, setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, type DeviceId } from '@faultlab/core/io/device_record';
import { MADV_PAGEOUT } from '@faultlab/core/mm/mman';
import { pte_present, pte_uffd_wp } from '@faultlab/core/mm/pte';
import { pte_swp_uffd_wp } from '@faultlab/core/mm/swap_entry';
import { swapon } from '@faultlab/core/mm/swapfile';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { userfaultfd_writeprotect } from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { userfaultfd_unregister, UFFDIO_REGISTER_MODE_WP as WP } from '@faultlab/core/syscalls/userfaultfd_register';
import { readCounters } from '@faultlab/core/trace/counters';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { ATTEMPT_LOCKS, attempt, dropped } from '../fixtures/attempt.ts';
import { pteOf, type Scene, WRITTEN, WRITTEN_PAGE, withUserfault, X } from '../fixtures/userfault.ts';
import { RWSEM_6_18 } from '../fixtures/with_cpu.ts';

const test = suite('fault/userfault_swap');
const DISK = 0 as DeviceId;
const DESIGNS: readonly FaultPolicy[] = [policyByName('linux-6.18'), RWSEM_6_18];
const SIZE = { devices: 1, deviceRequests: 16, deviceBlocks: 256 };

interface OnSwap extends Scene {
  readonly protect: (protect: boolean) => void;
  /** Pushes the written page to swap, out of the swap cache, too. */
  readonly pushOut: () => void;
}

/** The written page is protected and in swap. */
function onSwap(policy: FaultPolicy, synchronous: boolean, body: (scene: OnSwap) => void, direct = false): void {
  withUserfault({ mode: WP, policy, size: SIZE, direct }, (scene) => {
    const { cpu, handler, ctx } = scene;
    setupDevice(cpu.memory, DISK, { queueDepth: 16, contents: CONTENTS_BLANK, server: 'idle' });
    swapon(cpu.memory, 0 as SwapId, { device: DISK, synchronous });
    const { idle } = cpu;
    cpu.idle = () => serveQueued(cpu, DISK) || idle?.() === true;
    const protect = (on: boolean): void => assert.is(userfaultfd_writeprotect(handler, ctx, WRITTEN_PAGE, 1, on), 0);
    const pushOut = (): void => {
      assert.is(sys_madvise(cpu, X, 16, MADV_PAGEOUT), 0);
      while (serveQueued(cpu, DISK));
      squeezeAll(cpu);
      while (serveQueued(cpu, DISK));
      assert.not.ok(pte_present(pteOf(cpu, WRITTEN_PAGE) as Pte));
    };
    protect(true);
    pushOut();
    body({ ...scene, protect, pushOut });
  });
}

for (const policy of DESIGNS) {
  test(`${policy.name}: three attempts: read in, map and ask, finish; the fault counts once, as major`, () => {
    onSwap(policy, false, (scene) => {
      const { cpu } = scene;
      assert.ok(pte_swp_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte), 'the mark is in the entry');
      const before = readCounters(cpu.memory);
      scene.whenAsleep.push(() => {
        assert.ok(pte_present(pteOf(cpu, WRITTEN_PAGE) as Pte) && pte_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte), 'mapped, and protected');
        scene.read();
        scene.protect(false);
      });
      assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 5), 0);
      const after = readCounters(cpu.memory);
      assert.is(after.faults_retried - before.faults_retried, 2, 'two attempts came back with RETRY');
      assert.is(after.pgmajfault - before.pgmajfault, 1);
      assert.is(after.faults_finished - before.faults_finished, 1);
    });
  });
}

test('linux-5.4: the second attempt is the last, so the program gets SIGBUS: what multi-retry was made for', () => {
  onSwap(policyByName('linux-5.4'), false, ({ cpu, protect }) => {
    assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 5), 3);
    protect(false);
    assert.is(userRead(cpu, WRITTEN_PAGE as Vpn), 0);
    assert.is(cpu.value, WRITTEN);
  });
});

for (const lock of ATTEMPT_LOCKS) {
  for (const [attempted, tried] of [
    ['First', 0],
    ['Later', FAULT_FLAG_TRIED],
  ] as const) {
    test(`rows 34 and 36 under the ${lock} lock, ${attempted}: read in at once, mapped, and RETRY with the MAJOR of the read, no lock`, () => {
      const body = (scene: OnSwap): void => {
        scene.whenAsleep.push(() => scene.protect(false));
        assert.equal(attempt(scene.cpu, WRITTEN_PAGE, FAULT_FLAG_WRITE | tried, lock), dropped(VM_FAULT_RETRY | VM_FAULT_MAJOR));
      };
      for (const policy of DESIGNS) onSwap(policy, true, body, true);
    });
  }
}

test('a read brings the page back protected; unprotected in swap it comes back writable', () => {
  onSwap(policyByName('linux-6.18'), false, (scene) => {
    const { cpu, protect, pushOut } = scene;
    assert.is(userRead(cpu, WRITTEN_PAGE as Vpn), 0);
    assert.is(cpu.value, WRITTEN);
    assert.ok(pte_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte));
    pushOut();
    protect(false);
    assert.not.ok(pte_swp_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte));
    protect(true);
    assert.ok(pte_swp_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte));
    protect(false);
    assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 6), 0);
  });
});

test('unregistering and fork take the mark out of entries in swap', () => {
  onSwap(policyByName('linux-6.18'), false, ({ cpu, ctx, mm, fork }) => {
    const child = fork() as MmId;
    switch_mm(cpu, child);
    assert.not.ok(pte_swp_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte));
    assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 6), 0);
    switch_mm(cpu, mm);
    assert.ok(pte_swp_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte));
    assert.is(userfaultfd_unregister(cpu, ctx as UffdId, X, 16), 0);
    assert.not.ok(pte_swp_uffd_wp(pteOf(cpu, WRITTEN_PAGE) as Pte));
    assert.is(userWrite(cpu, WRITTEN_PAGE as Vpn, 7), 0);
  });
});

test.run();

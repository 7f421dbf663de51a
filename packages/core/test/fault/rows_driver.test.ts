/**
 * Rows 10 and 45 of the table of results: the fault of a driver that waits for its device. First and later
 * attempts, under the VMA lock and under mmap_lock, under every policy: the rows are the same in all of them. One thread: what another CPU does
 * in between is done at a named point, or when this CPU would sleep.
 */
import type { MappingId } from '@faultlab/core/base/brand';
import { EBUSY, EINVAL } from '@faultlab/core/base/errno';
import { FAULT_FLAG_RETRY_NOWAIT, VM_FAULT_NOPAGE, VM_FAULT_RETRY, VM_FAULT_SIGBUS } from '@faultlab/core/fault/vm_fault';
import { closeFile } from '@faultlab/core/io/file';
import { createFile, FILE_DRIVER, filePins } from '@faultlab/core/mm/address_space';
import { dma_fence_signal, dma_resv_trylock, dma_resv_unlock, dmaFenceBegin } from '@faultlab/core/mm/dma_fence';
import * as mman from '@faultlab/core/mm/mman';
import { policyByName } from '@faultlab/core/policy/policies';
import { SIGUSR1, send_signal } from '@faultlab/core/sched/task';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_move_pages } from '@faultlab/core/syscalls/move_pages';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { BEFORE_FENCE_WAIT } from '@faultlab/core/trace/points';
import { assert, suite } from '@faultlab/test-support';
import { type AttemptLock, attempt, held } from '../fixtures/attempt.ts';
import { pteOf } from '../fixtures/disk.ts';
import { type Body, first, RETRY, RW, row as rowOf, type Scene, scene, WRITE, whenIdle, X } from '../fixtures/special.ts';

const test = suite('fault/rows_driver');

const row = (name: string, body: Body, locks?: readonly AttemptLock[]): void => rowOf(test, name, body, locks);

// --- rows 10, 45 ------------------------------------------------------------------------------------------------------------------------

const BUFFER = X + 16;

/** A driver's buffer of four pages at BUFFER. It cannot be mapped private. */
function withBuffer(one: Scene, body: (file: MappingId) => void): void {
  const { cpu } = one;
  const file = createFile(cpu, { pages: 4, kind: FILE_DRIVER });
  assert.is(sys_mmap(cpu, BUFFER, 4, RW, mman.MAP_PRIVATE | mman.MAP_FIXED, file, 0), EINVAL);
  assert.is(sys_mmap(cpu, BUFFER, 4, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), BUFFER);
  body(file);
  assert.is(sys_munmap(cpu, BUFFER, 4), 0);
  assert.is(filePins(cpu, file), 0);
  closeFile(cpu, file);
}

row(
  'row 10: a file without map_pages is not faulted under the VMA lock',
  (one, _lock, flags) => {
    if (one.policy.vmaLockFile === 'no') return;
    withBuffer(one, () => {
      assert.equal(attempt(one.cpu, BUFFER, flags, 'vma'), RETRY);
      assert.is(one.counted('driver_faults'), 0);
    });
  },
  ['vma'],
);

row(
  'row 45: the device is done: the page is mapped',
  (one, _lock, flags) => {
    withBuffer(one, () => {
      assert.equal(attempt(one.cpu, BUFFER, flags, 'mmap'), held(VM_FAULT_NOPAGE));
      assert.is(one.counted('driver_fence_waits'), 0);
    });
  },
  ['mmap'],
);

row(
  'row 45: the device is at work: the first attempt drops mmap_lock and waits, a later one waits holding it',
  (one, _lock, flags) => {
    const { cpu, second, counted } = one;
    withBuffer(one, (file) => {
      dmaFenceBegin(second, file);
      const seen = whenIdle(cpu, () => dma_fence_signal(second, file));
      assert.equal(attempt(cpu, BUFFER, flags, 'mmap'), first(flags) ? RETRY : held(VM_FAULT_NOPAGE));
      assert.is(pteOf(cpu, BUFFER) !== 0, !first(flags));
      assert.is(seen.slept, 1);
      assert.is(counted('driver_fence_waits'), 1);
    });
  },
  ['mmap'],
);

row(
  'row 45: the device is done before the wait begins: nobody sleeps',
  (one, _lock, flags) => {
    const { cpu, second, points } = one;
    withBuffer(one, (file) => {
      dmaFenceBegin(second, file);
      points.once(BEFORE_FENCE_WAIT, () => dma_fence_signal(second, file));
      const seen = whenIdle(cpu, () => {});
      assert.equal(attempt(cpu, BUFFER, flags, 'mmap'), first(flags) ? RETRY : held(VM_FAULT_NOPAGE));
      assert.is(seen.slept, 0);
    });
  },
  ['mmap'],
);

row(
  'row 45: a signal ends the wait: RETRY of a first attempt, NOPAGE of a later one',
  (one, _lock, flags) => {
    const { cpu, second } = one;
    withBuffer(one, (file) => {
      dmaFenceBegin(second, file);
      whenIdle(cpu, () => send_signal(second, cpu.id, SIGUSR1));
      assert.equal(attempt(cpu, BUFFER, flags, 'mmap'), first(flags) ? RETRY : held(VM_FAULT_NOPAGE));
      dma_fence_signal(second, file);
    });
  },
  ['mmap'],
);

row(
  'row 45: NOWAIT: RETRY with the lock held, whether the reservation or the device is busy',
  (one, _lock, flags) => {
    if (!first(flags)) return;
    const { cpu, second } = one;
    withBuffer(one, (file) => {
      dmaFenceBegin(second, file);
      assert.equal(attempt(cpu, BUFFER, flags | FAULT_FLAG_RETRY_NOWAIT, 'mmap'), held(VM_FAULT_RETRY));
      dma_fence_signal(second, file);
      assert.ok(dma_resv_trylock(second, file));
      assert.equal(attempt(cpu, BUFFER, flags | FAULT_FLAG_RETRY_NOWAIT, 'mmap'), held(VM_FAULT_RETRY));
      dma_resv_unlock(second, file);
    });
  },
  ['mmap'],
);

row(
  'row 45: somebody else has reserved the buffer',
  (one, _lock, flags) => {
    const { cpu, second } = one;
    withBuffer(one, (file) => {
      assert.ok(dma_resv_trylock(second, file));
      const seen = whenIdle(cpu, () => dma_resv_unlock(second, file));
      assert.equal(attempt(cpu, BUFFER, flags, 'mmap'), first(flags) ? RETRY : held(VM_FAULT_NOPAGE));
      assert.is(seen.slept, 1);
    });
  },
  ['mmap'],
);

row(
  'row 45: beyond the end of the buffer',
  (one, _lock, flags) => {
    const { cpu } = one;
    const file = createFile(cpu, { pages: 1, kind: FILE_DRIVER });
    assert.is(sys_mmap(cpu, BUFFER, 2, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), BUFFER);
    assert.equal(attempt(cpu, BUFFER + 1, flags, 'mmap'), held(VM_FAULT_SIGBUS));
    assert.is(sys_munmap(cpu, BUFFER, 2), 0);
    closeFile(cpu, file);
  },
  ['mmap'],
);

test('the pages of a buffer stay in their frames', () => {
  scene(policyByName('linux-6.18'), (one) => {
    withBuffer(one, () => {
      assert.equal(attempt(one.cpu, BUFFER, WRITE, 'mmap'), held(VM_FAULT_NOPAGE));
      assert.is(sys_move_pages(one.cpu, BUFFER), EBUSY);
      assert.is(one.counted('pgmigrate_fail'), 1);
    });
  });
});

test.run();

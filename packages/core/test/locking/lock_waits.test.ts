/**
 * Waits for the locks of address spaces: their lengths, and what part of them was behind somebody's sleep for a device. The clock is set by hand.
 */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { createCpu, createMachineMemory } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { heldAcquire, heldRelease, MODE_READ, MODE_WRITE } from '@faultlab/core/locking/held_locks';
import { LOCK_ANON_VMA, LOCK_MMAP, LOCK_VMA } from '@faultlab/core/locking/lock_class';
import { type LockWaits, noteIoSleep, noteLockWait, readLockWaits, type WaitedLock } from '@faultlab/core/locking/lock_waits';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { assert, suite } from '@faultlab/test-support';

const test = suite('locking/lock_waits');
const AREA = 4000 as Word;
const MMAP = 4010 as Word;

/** Four CPUs with one clock, in milliseconds. */
function world(): { cpus: Cpu[]; at: (ms: number) => void; waits: (lock: WaitedLock) => LockWaits } {
  const memory = createMachineMemory({ ...DEFAULT_SIZE, cpus: 4 });
  let now = 0;
  const cpus = [0, 1, 2, 3].map((id) => createCpu({ id: id as CpuId, memory, now: () => now }));
  return {
    cpus,
    at: (ms) => {
      now = ms;
    },
    waits: (lock) => readLockWaits(memory).locks.find((row) => row.lock === lock) as LockWaits,
  };
}

test('waits are counted by decades, and only those of address spaces', () => {
  const { cpus, at, waits } = world();
  const [cpu] = cpus as [Cpu];
  for (const us of [0, 1, 9, 10, 999, 1000, 2_000_000]) {
    at(5000 + us / 1000);
    noteLockWait(cpu, LOCK_MMAP, MODE_READ, MMAP, 5000);
    noteLockWait(cpu, LOCK_ANON_VMA, MODE_WRITE, MMAP, 5000);
    noteLockWait(cpu, LOCK_VMA, MODE_READ, AREA, 5000);
  }
  assert.equal(waits('mmap_lock read').decades, [1, 2, 1, 1, 1, 0, 0, 1]);
  assert.is(waits('mmap_lock read').waitUs, 2_002_019);
  assert.is(waits('mmap_lock read').behindIo, 0);
  assert.equal(waits('vma write').decades, [0, 0, 0, 0, 0, 0, 0, 0]);
});

test('a writer waits behind a device for as long as its wait and the sleep of a holder have in common', () => {
  const { cpus, at, waits } = world();
  const [writer, one, other] = cpus as [Cpu, Cpu, Cpu];
  heldAcquire(one, LOCK_VMA, AREA, MODE_READ);
  heldAcquire(other, LOCK_VMA, AREA, MODE_READ);
  at(103); // slept from 100 to 103
  noteIoSleep(one, 100);
  at(106); // from 102 to 106: one millisecond of it together with the first
  noteIoSleep(other, 102);
  heldRelease(one, AREA);
  heldRelease(other, AREA);
  at(107); // waited from 101 to 107
  noteLockWait(writer, LOCK_VMA, MODE_WRITE, AREA, 101);
  assert.equal([waits('vma write').behindIo, waits('vma write').behindIoUs, waits('vma write').waitUs], [1, 5000, 6000]);
  assert.equal([waits('vma write').heldOverIo, waits('vma write').heldOverIoUs, waits('vma write').heldOverIoUsMax], [2, 7000, 4000]);
  assert.is(waits('vma write').invertedUs, 5000, 'both sleepers have higher numbers than CPU 0');
});

test('a sleep without the lock, of another lock, or before the wait began, is nothing to wait behind', () => {
  const { cpus, at, waits } = world();
  const [writer, without, elsewhere, before] = cpus as [Cpu, Cpu, Cpu, Cpu];
  at(110);
  noteIoSleep(without, 100);
  heldAcquire(elsewhere, LOCK_VMA, (AREA + 16) as Word, MODE_READ);
  noteIoSleep(elsewhere, 100);
  heldAcquire(before, LOCK_VMA, AREA, MODE_READ);
  at(100);
  noteIoSleep(before, 90);
  at(110);
  noteLockWait(writer, LOCK_VMA, MODE_WRITE, AREA, 100);
  assert.equal([waits('vma write').behindIo, waits('vma write').heldOverIo], [0, 2]);
});

test('who waits for a writer that waits behind a device waits for the device, too', () => {
  const { cpus, at, waits } = world();
  const [reader, writer, sleeper] = [cpus[3], cpus[1], cpus[2]] as [Cpu, Cpu, Cpu];
  heldAcquire(sleeper, LOCK_VMA, AREA, MODE_READ);
  at(120);
  noteIoSleep(sleeper, 100);
  heldRelease(sleeper, AREA);
  heldAcquire(writer, LOCK_MMAP, MMAP, MODE_WRITE);
  noteLockWait(writer, LOCK_VMA, MODE_WRITE, AREA, 105);
  heldRelease(writer, MMAP);
  at(121);
  noteLockWait(reader, LOCK_MMAP, MODE_READ, MMAP, 110);
  assert.equal([waits('vma write').behindIoUs, waits('mmap_lock read').behindIoUs], [15_000, 10_000]);
  assert.equal([waits('vma write').invertedUs, waits('mmap_lock read').invertedUs], [15_000, 0], 'CPU 3 has the lowest priority of all');
});

test('only the last few sleeps of a CPU are known', () => {
  const { cpus, at, waits } = world();
  const [writer, sleeper] = cpus as [Cpu, Cpu];
  heldAcquire(sleeper, LOCK_MMAP, MMAP, MODE_READ);
  for (const start of [100, 110, 120, 130]) {
    at(start + 5);
    noteIoSleep(sleeper, start);
  }
  at(140);
  noteLockWait(writer, LOCK_MMAP, MODE_WRITE, MMAP, 100);
  assert.is(waits('mmap_lock write').behindIoUs, 15_000);
});

test.run();

/**
 * The write-back thread, one pass at a time on one thread, and its sleep; and who hears of the errors that it leaves with files.
 */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { EIO } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { blockStamp } from '@faultlab/core/io/device_contents';
import { setBadBlocks } from '@faultlab/core/io/error_injection';
import { sampleWritebackErrors } from '@faultlab/core/io/writeback';
import { writebackWork } from '@faultlab/core/io/writeback_thread';
import * as mman from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { nr_file_dirty } from '@faultlab/core/mm/vmstat';
import { wakeup_flusher_threads } from '@faultlab/core/mm/wakeup_flusher_threads';
import { KTHREAD_REST, KTHREAD_WRITEBACK, kthread, registerKthread, wakeKthread } from '@faultlab/core/sched/kthread';
import { sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_fsync, sys_msync } from '@faultlab/core/syscalls/msync';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { sys_sync } from '@faultlab/core/syscalls/sync';
import { userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { DISK, withDisk } from '../fixtures/disk.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('io/writeback_thread');
const RW = mman.PROT_READ | mman.PROT_WRITE;
const onDisk = (cpu: Cpu, file: MappingId, index: number): number => blockStamp(cpu, DISK, file, index);
const REST = { leave: () => {}, enter: () => {} };

test('each who has the file open is told of an error once, by fsync and msync alike, and sync tells nobody', () => {
  withDisk({}, ({ cpu, mm, file, other }) => {
    const second = other();
    for (const each of [cpu, second]) sampleWritebackErrors(each, file);
    switch_mm(second, mm);
    assert.is(sys_mmap(cpu, BASE, 2, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), BASE);
    const failing = (): void => {
      setBadBlocks(cpu.memory, DISK, file, 1, 1);
      assert.is(userWrite(cpu, (BASE + 1) as Vpn, 7), 0);
      assert.is(sys_sync(cpu), 0);
      setBadBlocks(cpu.memory, DISK, file, 1, 0);
    };
    failing();
    assert.equal([sys_fsync(cpu, file), sys_fsync(cpu, file), sys_msync(cpu, BASE, 2, mman.MS_SYNC)], [EIO, 0, 0]);
    assert.equal([sys_msync(second, BASE, 2, mman.MS_SYNC), sys_fsync(second, file)], [EIO, 0]);
    failing();
    failing();
    assert.equal([sys_fsync(second, file), sys_fsync(second, file), sys_fsync(cpu, file), sys_fsync(cpu, file)], [EIO, 0, EIO, 0]);
    sys_munmap(cpu, BASE, 2);
  });
});

test('who opens the file later is told of an error that nobody has been told, not of one that somebody has', () => {
  withDisk({}, ({ cpu, file, other }) => {
    sampleWritebackErrors(cpu, file);
    setBadBlocks(cpu.memory, DISK, file, 0, 1);
    assert.is(sys_write(cpu, file, 0, 7), 1);
    sys_sync(cpu);
    const second = other();
    sampleWritebackErrors(second, file);
    assert.equal([sys_fsync(second, file), sys_fsync(second, file), sys_fsync(cpu, file)], [EIO, 0, EIO]);
    sampleWritebackErrors(second, file);
    assert.is(sys_fsync(second, file), 0);
  });
});

test('a pass writes what is above the background limit, what has been dirty for long, and what somebody asks for', () => {
  let nowMs = 100;
  withDisk({ pages: 8, now: () => nowMs }, ({ cpu, file, other }) => {
    const work = writebackWork();
    const thread = other();
    registerKthread(cpu.memory, KTHREAD_WRITEBACK, 1);
    cpu.words[KTHREAD_REST] = 2;
    setSysctl(cpu.memory, { dirtyThresh: 100, dirtyBackground: 2, dirtyWritebackMs: 50, dirtyExpireMs: 200 });
    const dirty = (pages: number): void => {
      for (let index = 0; index < pages; index++) assert.is(sys_write(cpu, file, index, nowMs + index), 1);
    };
    dirty(2);
    assert.equal([work.pass(thread), nr_file_dirty(cpu.memory), work.periodMs(thread)], [false, 2, 50]);
    nowMs += 199;
    assert.is(work.pass(thread), false, 'not old enough');
    nowMs += 49;
    assert.is(work.pass(thread), false, 'old enough, but it does not look that often');
    nowMs += 1;
    assert.equal([work.pass(thread), nr_file_dirty(cpu.memory)], [true, 0]);
    sys_fsync(cpu, file);
    dirty(3);
    assert.equal([work.pass(thread), nr_file_dirty(cpu.memory), work.pass(thread)], [true, 0, false]);
    sys_fsync(cpu, file);
    dirty(1);
    wakeup_flusher_threads(cpu);
    assert.equal([work.pass(thread), nr_file_dirty(cpu.memory)], [true, 0]);
    sys_fsync(cpu, file);
    assert.is(onDisk(cpu, file, 0), nowMs);
  });
});

test('sync waits until the thread has submitted everything, and until the device has it', () => {
  withDisk({ now: () => performance.now() }, ({ cpu, file, other, serve }) => {
    const work = writebackWork();
    const thread = other();
    registerKthread(cpu.memory, KTHREAD_WRITEBACK, 1);
    cpu.words[KTHREAD_REST] = 2;
    assert.is(sys_write(cpu, file, 3, 77), 1);
    const did: string[] = [];
    cpu.idle = () => {
      if (did.length === 0) {
        did.push('pass');
        return work.pass(thread);
      }
      did.push('serve');
      return serve();
    };
    assert.is(sys_sync(cpu), 0);
    assert.equal([did, onDisk(cpu, file, 3), nr_file_dirty(cpu.memory)], [['pass', 'serve'], 77, 0]);
    cpu.idle = serve;
  });
});

test('a thread that has found nothing does not sleep when work came meanwhile, and is woken when it sleeps', () => {
  withDisk({}, ({ cpu, other }) => {
    const thread = other();
    registerKthread(cpu.memory, KTHREAD_WRITEBACK, 1);
    cpu.words[KTHREAD_REST] = 2;
    const steps: string[] = [];
    class Enough extends Error {}
    thread.idle = () => {
      steps.push('sleep');
      wakeKthread(cpu, KTHREAD_WRITEBACK);
      return true;
    };
    const work = {
      pass: () => {
        steps.push('pass');
        if (steps.length === 1) wakeKthread(cpu, KTHREAD_WRITEBACK); // After its look.
        if (steps.length === 4) throw new Enough();
        return false;
      },
      periodMs: () => 1_000,
    };
    assert.throws(
      () => kthread(thread, KTHREAD_WRITEBACK, work, REST),
      (error: unknown) => error instanceof Enough,
    );
    assert.equal(steps, ['pass', 'pass', 'sleep', 'pass']);
    thread.idle = null;
  });
});

test.run();

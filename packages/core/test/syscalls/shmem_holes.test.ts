/** Holes in shmem, and its end: punching, MADV_REMOVE, truncation, read and write, against mappings and against faults. */
import type { Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import { EACCES, EINVAL } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { nrpages } from '@faultlab/core/mm/address_space';
import { folioTest, PG_dirty } from '@faultlab/core/mm/folio';
import * as mman from '@faultlab/core/mm/mman';
import { PTE_RW } from '@faultlab/core/mm/pte';
import { beginPunch, endPunch } from '@faultlab/core/mm/shmem_punch';
import { policyByName } from '@faultlab/core/policy/policies';
import { sys_read, sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mlock } from '@faultlab/core/syscalls/mlock';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, sys_fallocate, sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { readCounters } from '@faultlab/core/trace/counters';
import * as points from '@faultlab/core/trace/points';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { pteOf } from '../fixtures/disk.ts';
import { type OnShmem, SHMEM_PAGES as PAGES, settle, withShmem } from '../fixtures/shmem.ts';
import { BASE, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/shmem_holes');

const X = BASE;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

const read = (cpu: Cpu, page: number): number => {
  assert.is(ACCESS_NAMES[userRead(cpu, page as Vpn)], 'ok');
  return cpu.value;
};
const fill = (cpu: Cpu): void => {
  for (let page = 0; page < PAGES; page++) assert.is(userWrite(cpu, (X + page) as Vpn, 10 + page), 0);
};
const REFERENCE = policyByName('linux-6.18');
const whole = <R>(body: (one: OnShmem) => R, sharing = mman.MAP_SHARED): R => withShmem(REFERENCE, body, false, sharing);

test('a punched hole reads as zero, through every mapping and through read; what lies beside it stays', () => {
  whole((one) => {
    const { cpu, file } = one;
    fill(cpu);
    assert.is(sys_mmap(cpu, X + 0x100, PAGES, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), X + 0x100);
    assert.is(read(cpu, X + 0x101), 11);
    assert.is(sys_fallocate(one.other(), file, PUNCH, 1, 2), 0);
    assert.equal(
      [0, 1, 2, 3].map((page) => pteOf(cpu, X + page) !== 0),
      [true, false, false, true],
    );
    assert.is(nrpages(cpu.memory, file), 2);
    assert.is(sys_read(cpu, file, 1), 1);
    assert.is(cpu.value, 0);
    assert.is(nrpages(cpu.memory, file), 2, 'a read of a hole leaves it a hole');
    assert.equal(
      [0, 1, 2, 3].map((page) => read(cpu, X + 0x100 + page)),
      [10, 0, 0, 13],
    );
    assert.is(sys_munmap(cpu, X + 0x100, PAGES), 0);
  });
});

test('a private copy survives the punch, and not the truncation', () => {
  whole((one) => {
    const { cpu, file } = one;
    assert.is(sys_write(cpu, file, 0, 5), 1);
    assert.is(userWrite(cpu, X as Vpn, 6), 0);
    assert.is(sys_fallocate(one.other(), file, PUNCH, 0, PAGES), 0);
    assert.is(read(cpu, X), 6);
    assert.is(sys_ftruncate(one.other(), file, 0), 0);
    assert.is(ACCESS_NAMES[userRead(cpu, X as Vpn)], 'BUS_ADRERR');
    assert.is(sys_ftruncate(one.other(), file, PAGES), 0);
    assert.is(read(cpu, X), 0);
  }, mman.MAP_PRIVATE);
});

test('a fault that is past the test for a punch maps the page again: the punch unmaps it once more', () => {
  whole((one) => {
    const { cpu, file, points: atPoint } = one;
    fill(cpu);
    atPoint.once(points.BETWEEN_UNMAP_AND_TRUNCATE, () => {
      // As a fault that looked before the range was published would go on.
      endPunch(cpu, file);
      assert.is(userRead(one.other(), X as Vpn), 0);
      beginPunch(cpu, file, 0, 1);
    });
    assert.is(sys_fallocate(cpu, file, PUNCH, 0, 1), 0);
    assert.is(atPoint.passed, 1);
    assert.is(pteOf(cpu, X), 0);
    assert.is(read(cpu, X), 0);
  });
});

test('MADV_REMOVE punches the part of the file that the range shows', () => {
  whole((one) => {
    const { cpu, file } = one;
    assert.is(sys_mmap(cpu, X + 0x100, 2, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 2), X + 0x100);
    fill(cpu);
    assert.is(sys_madvise(cpu, X + 0x101, 1, mman.MADV_REMOVE), 0);
    assert.equal(
      [0, 1, 2, 3].map((page) => read(cpu, X + page)),
      [10, 11, 12, 0],
    );
    assert.is(sys_munmap(cpu, X + 0x100, 2), 0);
  });
});

test('MADV_REMOVE refuses private, anonymous and locked memory', () => {
  whole(({ cpu }) => assert.is(sys_madvise(cpu, X, 1, mman.MADV_REMOVE), EACCES), mman.MAP_PRIVATE);
  whole(({ cpu }) => {
    assert.is(sys_mlock(cpu, X, PAGES), 0);
    assert.is(sys_madvise(cpu, X, 1, mman.MADV_REMOVE), EINVAL);
  });
  withCpu({}, ({ cpu }) => {
    sys_mmap(cpu, X, 1, RW, mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_FIXED, NO_MAPPING, 0);
    assert.is(sys_madvise(cpu, X, 1, mman.MADV_REMOVE), EINVAL);
  });
});

test('MADV_REMOVE: the area may go while mmap_lock is dropped', () => {
  whole((one) => {
    fill(one.cpu);
    one.points.once(points.BEFORE_UNMAP_MAPPING, () => assert.is(sys_munmap(one.other(), X, PAGES), 0));
    assert.is(sys_madvise(one.cpu, X, PAGES, mman.MADV_REMOVE), 0);
    assert.is(nrpages(one.cpu.memory, one.file), 0);
    settle(one);
  });
});

test('mlock brings the pages, writable, without dirtying them', () => {
  whole(({ cpu, file, folio }) => {
    assert.is(sys_mlock(cpu, X, PAGES), 0);
    assert.is(nrpages(cpu.memory, file), PAGES);
    for (let page = 0; page < PAGES; page++) {
      assert.is(pteOf(cpu, X + page) & PTE_RW, PTE_RW);
      assert.is(folioTest(cpu, folio(page), PG_dirty), false);
    }
  });
});

test('what mprotect makes writable again is writable without a fault', () => {
  whole(({ cpu }) => {
    fill(cpu);
    assert.is(sys_mprotect(cpu, X, PAGES, mman.PROT_READ), 0);
    assert.is(ACCESS_NAMES[userWrite(cpu, X as Vpn, 1)], 'SEGV_ACCERR');
    assert.is(sys_mprotect(cpu, X, PAGES, RW), 0);
    const before = readCounters(cpu.memory).faults_user;
    assert.is(userWrite(cpu, X as Vpn, 1), 0);
    assert.is(readCounters(cpu.memory).faults_user, before);
  });
});

test('write makes the file longer, over a hole', () => {
  whole(({ cpu, file }) => {
    assert.is(sys_write(cpu, file, PAGES + 2, 9), 1);
    assert.is(sys_read(cpu, file, PAGES + 1), 1);
    assert.is(cpu.value, 0);
    assert.is(sys_read(cpu, file, PAGES + 2), 1);
    assert.is(cpu.value, 9);
    assert.is(sys_read(cpu, file, PAGES + 3), 0);
    assert.is(nrpages(cpu.memory, file), 1);
  });
});

test.run();

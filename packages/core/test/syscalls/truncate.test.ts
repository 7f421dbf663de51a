/**
 * ftruncate and hole punching on one thread: what is unmapped, what is read afterwards, what is waited for, and what happens when the device is full.
 * What another CPU does in between is done at a named point.
 */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { EINVAL, ENOSPC, ENOSYS } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { blockStamp } from '@faultlab/core/io/device_contents';
import { page_cache_ra_unbounded } from '@faultlab/core/io/readahead';
import { filemap_fdatawrite_range } from '@faultlab/core/io/writeback';
import { i_size, nrdirtyWord, nrpages } from '@faultlab/core/mm/address_space';
import { fileToken } from '@faultlab/core/mm/filemap';
import { NO_FOLIO, PG_writeback } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import * as mman from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { FILE_END } from '@faultlab/core/mm/unmap_mapping';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { sys_read, sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_fsync } from '@faultlab/core/syscalls/msync';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, sys_fallocate, sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { readCounters } from '@faultlab/core/trace/counters';
import { BEFORE_FOLIO_LOCK, BEFORE_UNMAP_MAPPING } from '@faultlab/core/trace/points';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { AtPoint, cachedFlags, cachedFolio, DISK, type OnDisk, pteOf, withDisk } from '../fixtures/disk.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/truncate');

const X = BASE;
const PRIVATE = BASE + 32;
const PAGES = 8;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

const map = (cpu: Cpu, start: number, file: MappingId, kind: number): void =>
  assert.is(sys_mmap(cpu, start, PAGES, RW, kind | mman.MAP_FIXED, file, 0), start);
const read = (cpu: Cpu, page: number): number | string => {
  const outcome = userRead(cpu, page as Vpn);
  return outcome === 0 ? cpu.value : (ACCESS_NAMES[outcome] as string);
};
const write = (cpu: Cpu, page: number, stamp: number): void => assert.is(userWrite(cpu, page as Vpn, stamp), 0);
const fread = (cpu: Cpu, file: MappingId, index: number): number | 'end' => {
  const pages = sys_read(cpu, file, index);
  assert.ok(pages >= 0);
  return pages === 0 ? 'end' : cpu.value;
};
/** Both mappings: the shared one all read, the private one with one page read and one written. */
function mapBoth({ cpu, file }: OnDisk): void {
  map(cpu, X, file, mman.MAP_SHARED);
  map(cpu, PRIVATE, file, mman.MAP_PRIVATE);
  for (let page = 0; page < PAGES; page++) read(cpu, X + page);
  read(cpu, PRIVATE + 5);
  write(cpu, PRIVATE + 6, 66);
}
function unmapBoth({ cpu }: OnDisk): void {
  sys_munmap(cpu, X, PAGES);
  sys_munmap(cpu, PRIVATE, PAGES);
}
const mapped = (cpu: Cpu, start: number): number[] =>
  Array.from({ length: PAGES }, (_, page) => page).filter((page) => pteOf(cpu, start + page) !== 0);

test('a shorter file has no pages beyond its end: not in the cache, not mapped, and not as private copies', () => {
  withDisk({ pages: PAGES }, (one) => {
    const { cpu, file } = one;
    mapBoth(one);
    write(cpu, X + 7, 77);
    assert.is(sys_ftruncate(cpu, file, 5), 0);
    assert.is(i_size(cpu.memory, file), 5);
    assert.equal(
      mapped(cpu, X).filter((page) => page >= 5),
      [],
    );
    assert.equal(
      mapped(cpu, PRIVATE).filter((page) => page >= 5),
      [],
    );
    assert.is(nrpages(cpu.memory, file), 5);
    assert.is(cpu.words[nrdirtyWord(cpu.memory, file)], 0);
    for (const page of [X + 5, PRIVATE + 6]) assert.is(read(cpu, page), 'BUS_ADRERR');
    assert.is(read(cpu, X + 4), fileToken(file, 4));
    assert.is(fread(cpu, file, 5), 'end');
    unmapBoth(one);
  });
});

test('what a file gets back by growing reads as zero, from memory and from the device', () => {
  withDisk({ pages: PAGES }, ({ cpu, file }) => {
    assert.is(sys_write(cpu, file, 6, 9), 1);
    assert.is(sys_fsync(cpu, file), 0);
    assert.is(sys_ftruncate(cpu, file, 4), 0);
    assert.is(sys_ftruncate(cpu, file, PAGES), 0);
    assert.equal(
      [3, 4, 6, 7].map((index) => fread(cpu, file, index)),
      [fileToken(file, 3), 0, 0, 0],
    );
    assert.is(blockStamp(cpu, DISK, file, 6), 0);
  });
});

test('a reader ahead who knew the old size reads nothing beyond the end, and nothing comes back when the file grows', () => {
  for (const grow of [
    (cpu: Cpu, file: MappingId) => sys_ftruncate(cpu, file, PAGES),
    (cpu: Cpu, file: MappingId) => sys_write(cpu, file, PAGES, 1),
  ]) {
    withDisk({ pages: PAGES }, ({ cpu, file }) => {
      assert.is(sys_write(cpu, file, 6, 66), 1);
      assert.is(sys_fsync(cpu, file), 0);
      assert.is(sys_ftruncate(cpu, file, 4), 0);
      // As read-ahead does it once it has looked at the old size.
      page_cache_ra_unbounded(cpu, file, 4, 4, 0);
      assert.is(nrpages(cpu.memory, file), 4);
      assert.ok(grow(cpu, file) >= 0);
      assert.equal(
        [4, 6, 7].map((index) => fread(cpu, file, index)),
        [0, 0, 0],
      );
    });
  }
});

test('a write beyond the end leaves zeroes in between', () => {
  withDisk({ pages: 2 }, ({ cpu, file }) => {
    assert.is(sys_write(cpu, file, 5, 55), 1);
    assert.is(i_size(cpu.memory, file), 6);
    assert.equal(
      [1, 2, 4, 5, 6].map((index) => fread(cpu, file, index)),
      [fileToken(file, 1), 0, 0, 55, 'end'],
    );
  });
});

test('a hole reads as zero everywhere but in private copies', () => {
  withDisk({ pages: PAGES }, (one) => {
    const { cpu, file } = one;
    mapBoth(one);
    write(cpu, X + 5, 50);
    assert.is(sys_fallocate(cpu, file, PUNCH, 5, 2), 0);
    assert.is(i_size(cpu.memory, file), PAGES);
    assert.is(cachedFolio(cpu, file, 5), NO_FOLIO);
    assert.equal([pteOf(cpu, X + 5), pteOf(cpu, X + 6), pteOf(cpu, PRIVATE + 5)], [0, 0, 0]);
    assert.equal([fread(cpu, file, 5), fread(cpu, file, 6), fread(cpu, file, 7)], [0, 0, fileToken(file, 7)]);
    assert.equal([read(cpu, X + 5), read(cpu, PRIVATE + 5), read(cpu, PRIVATE + 6)], [0, 0, 66]);
    unmapBoth(one);
  });
});

test('a hole beyond the end changes nothing, and one across it ends there', () => {
  withDisk({ pages: 2 }, ({ cpu, file }) => {
    assert.is(sys_fallocate(cpu, file, PUNCH, 2, 5), 0);
    assert.is(fread(cpu, file, 1), fileToken(file, 1));
    assert.is(sys_fallocate(cpu, file, PUNCH, 1, 5), 0);
    assert.equal([i_size(cpu.memory, file), fread(cpu, file, 0), fread(cpu, file, 1)], [2, fileToken(file, 0), 0]);
  });
});

test('a full device refuses to grow a file and to punch a hole, and nothing is lost', () => {
  withDisk({ pages: 4, size: { deviceBlocks: 2 } }, ({ cpu, file }) => {
    assert.is(sys_ftruncate(cpu, file, 7), ENOSPC);
    assert.is(sys_write(cpu, file, 7, 1), ENOSPC);
    assert.is(i_size(cpu.memory, file), 4);
    assert.is(sys_write(cpu, file, 1, 11), 1);
    assert.is(sys_fallocate(cpu, file, PUNCH, 1, 3), ENOSPC);
    assert.equal(
      [1, 2].map((index) => fread(cpu, file, index)),
      [11, fileToken(file, 2)],
    );
    assert.is(sys_ftruncate(cpu, file, 6), 0);
  });
});

test('wrong sizes, files and modes are refused', () => {
  withDisk({ pages: 1 }, ({ cpu, file }) => {
    assert.is(sys_ftruncate(cpu, file, -1), EINVAL);
    assert.is(sys_ftruncate(cpu, 0 as MappingId, 1), EINVAL);
    assert.is(sys_fallocate(cpu, file, 0, 0, 1), ENOSYS);
    for (const [offset, len] of [
      [-1, 1],
      [0, 0],
    ] as const)
      assert.is(sys_fallocate(cpu, file, PUNCH, offset, len), EINVAL);
    assert.is(sys_write(cpu, file, -1, 0), EINVAL);
    assert.is(sys_read(cpu, file, -1), EINVAL);
  });
});

test('truncation waits for the write-back of a page', () => {
  withDisk({ pages: 2 }, ({ cpu, file, serve }) => {
    assert.is(sys_write(cpu, file, 1, 11), 1);
    assert.is(filemap_fdatawrite_range(cpu, file, 0, FILE_END, 'none'), 1);
    assert.is.not(cachedFlags(cpu, file, 1) & PG_writeback, 0);
    let sizeMeanwhile = -1;
    cpu.idle = () => {
      sizeMeanwhile = i_size(cpu.memory, file);
      return serve();
    };
    assert.is(sys_ftruncate(cpu, file, 1), 0);
    assert.is(sizeMeanwhile, 1, 'nothing was waited for, or the size changed too late');
    assert.is(nrpages(cpu.memory, file), 1);
  });
});

test('truncation takes the pages that are free first, and waits for one that is locked', () => {
  withDisk({ pages: 3 }, (one) => {
    const { cpu, file } = one;
    const other = one.other();
    const locked = cachedFolio(cpu, file, 0);
    folio_lock(other, locked);
    let left = -1;
    cpu.idle = () => {
      left = nrpages(cpu.memory, file);
      folio_unlock(other, locked);
      return true;
    };
    assert.is(sys_ftruncate(cpu, file, 0), 0);
    assert.is(left, 1);
    assert.is(readCounters(cpu.memory).folio_truncated, 3);
  });
});

test('between the new size and the unmapping a mapped page is still there, and another one is beyond the end (R17)', () => {
  const points = new AtPoint();
  withDisk({ pages: PAGES, points }, (one) => {
    const { cpu, file, mm } = one;
    map(cpu, X, file, mman.MAP_SHARED);
    write(cpu, X + 5, 55);
    const other = one.other();
    other.idle = one.serve;
    switch_mm(other, mm);
    const seen: (number | string)[] = [];
    points.once(BEFORE_UNMAP_MAPPING, () => seen.push(read(other, X + 5), read(other, X + 6)));
    assert.is(sys_ftruncate(cpu, file, 4), 0);
    assert.equal(seen, [55, 'BUS_ADRERR']);
    assert.is(read(other, X + 5), 'BUS_ADRERR');
    sys_munmap(cpu, X, PAGES);
  });
});

test('a fault that finds a page, and gets its lock when it has left the file, looks again: beyond the end, or a new page (R14)', () => {
  for (const kind of [mman.MAP_SHARED, mman.MAP_PRIVATE]) {
    for (const writes of [false, true]) {
      for (const [what, expected] of [
        ['shorter', 'BUS_ADRERR'],
        ['shorter and longer again', 0],
        ['hole', 0],
      ] as const) {
        const points = new AtPoint();
        withDisk({ pages: PAGES, points }, (one) => {
          const { cpu, file } = one;
          setSysctl(cpu.memory, { faultAroundPages: 1 });
          map(cpu, X, file, kind);
          const other = one.other();
          other.idle = one.serve;
          points.once(BEFORE_FOLIO_LOCK, () => {
            if (what === 'hole') assert.is(sys_fallocate(other, file, PUNCH, 6, 1), 0);
            else assert.is(sys_ftruncate(other, file, 4), 0);
            if (what === 'shorter and longer again') assert.is(sys_ftruncate(other, file, PAGES), 0);
          });
          const got = writes ? ACCESS_NAMES[userWrite(cpu, (X + 6) as Vpn, 66)] : read(cpu, X + 6);
          assert.is(got, writes && expected === 0 ? 'ok' : expected, what);
          assert.is(points.passed, 1);
          assert.is(readCounters(cpu.memory).folio_gone_found_again, 1);
          if (writes && expected === 0) {
            assert.is(read(cpu, X + 6), 66);
            assert.is(fread(cpu, file, 6), kind === mman.MAP_SHARED ? 66 : 0);
          }
          sys_munmap(cpu, X, PAGES);
        });
      }
    }
  }
});

test('a file that is read again after every kind of change holds what a list of numbers holds', () => {
  withDisk({ pages: PAGES, size: { deviceBlocks: 64, frames: 256 } }, ({ cpu, file }) => {
    const expected = Array.from({ length: PAGES }, (_, index) => fileToken(file, index));
    for (let round = 0; round < 300; round++) {
      const index = cpu.prng.below(12);
      switch (cpu.prng.below(5)) {
        case 0:
          assert.is(sys_write(cpu, file, index, round), 1);
          while (expected.length < index) expected.push(0);
          expected[index] = round;
          break;
        case 1:
          assert.is(sys_ftruncate(cpu, file, index), 0);
          while (expected.length < index) expected.push(0);
          expected.length = index;
          break;
        case 2:
          assert.is(sys_fallocate(cpu, file, PUNCH, index, 3), 0);
          for (let at = index; at < Math.min(index + 3, expected.length); at++) expected[at] = 0;
          break;
        case 3:
          assert.is(sys_fsync(cpu, file), 0);
          break;
        default:
          assert.is(fread(cpu, file, index), expected[index] ?? 'end');
      }
    }
    assert.is(i_size(cpu.memory, file), expected.length);
    assert.is(sys_fsync(cpu, file), 0);
    for (const [index, stamp] of expected.entries()) assert.is(blockStamp(cpu, DISK, file, index), stamp);
  });
});

test.run();

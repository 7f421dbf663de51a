/**
 * Write-back on one thread: what reaches the device, who hears of errors, what is write-protected again, what is evicted, and the end of a file. The
 * disk serves when the test says so, or when a CPU would sleep.
 */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { EBUSY, EINVAL, EIO, ENOMEM } from '@faultlab/core/base/errno';
import { InvariantError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { blockStamp } from '@faultlab/core/io/device_contents';
import { readDeviceStats } from '@faultlab/core/io/device_stats';
import { setBadBlocks } from '@faultlab/core/io/error_injection';
import { closeFile } from '@faultlab/core/io/file';
import { filemap_fdatawrite_range, writebackStep } from '@faultlab/core/io/writeback';
import { heldCount } from '@faultlab/core/locking/held_locks';
import { createFile, FILE_DISK, FILE_RESIDENT, freezeFile, get_file, nrpages, tryGetFile } from '@faultlab/core/mm/address_space';
import { filemap_get_folio, fileToken } from '@faultlab/core/mm/filemap';
import { PG_dirty, PG_uptodate, PG_writeback } from '@faultlab/core/mm/folio';
import { folio_clear_dirty_for_io, folio_mark_dirty, folio_redirty } from '@faultlab/core/mm/folio_dirty';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { fput } from '@faultlab/core/mm/fput';
import * as mman from '@faultlab/core/mm/mman';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { PTE_DIRTY, PTE_RW } from '@faultlab/core/mm/pte';
import { page_mkclean, rmap_walk_file } from '@faultlab/core/mm/rmap_file';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { invalidate_mapping_pages } from '@faultlab/core/mm/truncate';
import { FILE_END } from '@faultlab/core/mm/unmap_mapping';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { nr_file_dirty, nr_writeback } from '@faultlab/core/mm/vmstat';
import { sys_read, sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_mlock } from '@faultlab/core/syscalls/mlock';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_fsync, sys_msync } from '@faultlab/core/syscalls/msync';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { readCounters } from '@faultlab/core/trace/counters';
import { BEFORE_REFCOUNT_FREEZE, BEFORE_WRITE_PROTECT } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { AtPoint, cachedFlags, cachedFolio, DISK, type OnDisk, pteOf, withDisk } from '../fixtures/disk.ts';
import { hog } from '../fixtures/hog.ts';
import { BASE, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('io/writeback');

const X = BASE;
const PAGES = 4;
const RW = mman.PROT_READ | mman.PROT_WRITE;

const mapShared = ({ cpu, file }: OnDisk): void => assert.is(sys_mmap(cpu, X, PAGES, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), X);
const write = (cpu: Cpu, page: number, stamp: number): void => assert.is(userWrite(cpu, page as Vpn, stamp), 0);
const onDisk = (cpu: Cpu, file: MappingId, index: number): number => blockStamp(cpu, DISK, file, index);

test('fsync brings what was written through an entry to the device, and write-protects the entry again', () => {
  withDisk({}, (one) => {
    const { cpu, file } = one;
    mapShared(one);
    write(cpu, X, 11);
    assert.is(onDisk(cpu, file, 0), fileToken(file, 0));
    assert.is(sys_fsync(cpu, file), 0);
    assert.is(onDisk(cpu, file, 0), 11);
    assert.is(pteOf(cpu, X) & (PTE_RW | PTE_DIRTY), 0);
    const asked = readCounters(cpu.memory).page_mkwrite;
    write(cpu, X, 12);
    write(cpu, X, 13);
    assert.is(readCounters(cpu.memory).page_mkwrite, asked + 1, 'the write after the write-back must fault, once');
    assert.is(sys_fsync(cpu, file), 0);
    assert.is(onDisk(cpu, file, 0), 13);
    sys_munmap(cpu, X, PAGES);
  });
});

test('a page that is written to while it is written out is dirty afterwards, and written again', () => {
  withDisk({}, (one) => {
    const { cpu, file, serve } = one;
    mapShared(one);
    write(cpu, X, 11);
    assert.is(filemap_fdatawrite_range(cpu, file, 0, FILE_END, 'none'), 1);
    assert.equal([nr_file_dirty(cpu.memory), nr_writeback(cpu.memory)], [0, 1]);
    write(cpu, X, 12);
    assert.is(cachedFlags(cpu, file, 0) & (PG_dirty | PG_writeback), PG_dirty | PG_writeback);
    assert.is(filemap_fdatawrite_range(cpu, file, 0, FILE_END, 'none'), 0, 'a page under write-back is passed over unless somebody syncs');
    assert.is(sys_fsync(cpu, file), 0);
    assert.is(serve(), false);
    assert.equal([onDisk(cpu, file, 0), readDeviceStats(cpu.memory, DISK).writes], [12, 2]);
    sys_munmap(cpu, X, PAGES);
  });
});

test('a write that comes after the page was locked for write-back and before it is write-protected goes out with it', () => {
  const points = new AtPoint();
  withDisk({ points }, (one) => {
    const { cpu, file, mm } = one;
    mapShared(one);
    write(cpu, X, 11);
    const other = one.other();
    switch_mm(other, mm);
    points.once(BEFORE_WRITE_PROTECT, () => write(other, X, 12));
    assert.is(sys_fsync(cpu, file), 0);
    assert.equal([points.passed, onDisk(cpu, file, 0), nr_file_dirty(cpu.memory)], [1, 12, 0]);
    sys_munmap(cpu, X, PAGES);
  });
});

test('the error of a write is told once to each who syncs, and the page is not dirty any more', () => {
  withDisk({}, (one) => {
    const { cpu, file } = one;
    mapShared(one);
    write(cpu, X + 1, 11);
    setBadBlocks(cpu.memory, DISK, file, 1, 1);
    assert.is(sys_fsync(cpu, file), EIO);
    assert.is(sys_fsync(cpu, file), 0);
    write(cpu, X + 1, 12);
    assert.is(sys_msync(cpu, X, PAGES, mman.MS_SYNC), EIO);
    setBadBlocks(cpu.memory, DISK, file, 1, 0);
    assert.is(sys_msync(cpu, X, PAGES, mman.MS_SYNC), 0);
    assert.equal([onDisk(cpu, file, 1), nr_file_dirty(cpu.memory)], [fileToken(file, 1), 0]);
    sys_munmap(cpu, X, PAGES);
  });
});

test('consecutive pages go out in requests of at most 32, others one by one', () => {
  withDisk({ pages: 45 }, ({ cpu, file }) => {
    for (let index = 0; index < 40; index++) assert.is(sys_write(cpu, file, index, index + 1), 1);
    for (const index of [42, 44]) assert.is(sys_write(cpu, file, index, index + 1), 1);
    assert.is(sys_fsync(cpu, file), 0);
    const { writes, pagesWritten } = readDeviceStats(cpu.memory, DISK);
    assert.equal([writes, pagesWritten, readCounters(cpu.memory).nr_written], [4, 42, 42]);
    assert.is(onDisk(cpu, file, 39), 40);
  });
});

test('a sync waits for a page that somebody has locked, and what it has gathered goes out before', () => {
  withDisk({}, (one) => {
    const { cpu, file, serve } = one;
    for (const index of [0, 1]) assert.is(sys_write(cpu, file, index, 7), 1);
    const other = one.other();
    const locked = cachedFolio(cpu, file, 1);
    folio_lock(other, locked);
    let outstanding = -1;
    cpu.idle = () => {
      if (outstanding < 0) {
        outstanding = readDeviceStats(cpu.memory, DISK).outstanding;
        folio_unlock(other, locked);
        return true;
      }
      return serve();
    };
    assert.is(sys_fsync(cpu, file), 0);
    assert.is(outstanding, 1);
  });
});

test('msync writes its range, without mmap_lock, and says when part of the range is not mapped', () => {
  withDisk({}, (one) => {
    const { cpu, file, serve } = one;
    mapShared(one);
    for (let page = 0; page < PAGES; page++) write(cpu, X + page, 20 + page);
    let held = -1;
    cpu.idle = () => {
      held = Math.max(held, heldCount(cpu));
      return serve();
    };
    assert.is(sys_msync(cpu, X + 1, 2, mman.MS_SYNC), 0);
    assert.is(held, 0, 'a lock was held over the I/O');
    assert.equal([onDisk(cpu, file, 0), onDisk(cpu, file, 1), onDisk(cpu, file, 2)], [fileToken(file, 0), 21, 22]);
    assert.is(sys_msync(cpu, X - 2, 4, mman.MS_ASYNC), ENOMEM);
    assert.is(onDisk(cpu, file, 0), fileToken(file, 0));
    assert.is(sys_msync(cpu, X - 2, 4, mman.MS_SYNC), ENOMEM);
    assert.is(onDisk(cpu, file, 0), 20);
    assert.is(sys_msync(cpu, X, PAGES + 1, mman.MS_SYNC), ENOMEM);
    assert.is(onDisk(cpu, file, 3), 23);
    assert.is(sys_msync(cpu, X + 100, 1, mman.MS_SYNC), ENOMEM);
    sys_munmap(cpu, X, PAGES);
  });
});

test('msync refuses wrong flags and ranges, and to invalidate what is locked', () => {
  withDisk({}, (one) => {
    const { cpu } = one;
    mapShared(one);
    assert.is(sys_msync(cpu, X, 1, mman.MS_SYNC | mman.MS_ASYNC), EINVAL);
    assert.is(sys_msync(cpu, X, 1, 0x100), EINVAL);
    assert.is(sys_msync(cpu, X, -1, mman.MS_SYNC), EINVAL);
    assert.is(sys_msync(cpu, X, Number.MAX_SAFE_INTEGER, mman.MS_SYNC), ENOMEM);
    assert.is(sys_msync(cpu, X, 0, mman.MS_SYNC), 0);
    assert.is(sys_fsync(cpu, 0 as MappingId), EINVAL);
    assert.is(sys_mlock(cpu, X, 1), 0);
    assert.is(sys_msync(cpu, X, 1, mman.MS_SYNC | mman.MS_INVALIDATE), EBUSY);
    sys_munmap(cpu, X, PAGES);
  });
});

test('a CPU that writes back does so above the background limit only, file by file', () => {
  withDisk({ pages: 2 }, ({ cpu, file, serve }) => {
    const second = createFile(cpu, { pages: 2, kind: FILE_DISK, device: DISK });
    assert.is(sys_write(cpu, file, 0, 1), 1);
    assert.is(sys_write(cpu, second, 1, 2), 1);
    assert.is(writebackStep(cpu), 0);
    setSysctl(cpu.memory, { dirtyBackground: 1 });
    assert.is(writebackStep(cpu), 2);
    assert.is(writebackStep(cpu), 0);
    serve();
    assert.equal([onDisk(cpu, file, 0), onDisk(cpu, second, 1)], [1, 2]);
    closeFile(cpu, second);
    assert.is(onDisk(cpu, second, 1), fileToken(second, 1), 'what was written outlives its file');
  });
});

test('mprotect makes an entry writable at once if it is dirty, and leaves it to a fault if it is clean', () => {
  withDisk({}, (one) => {
    const { cpu, file } = one;
    mapShared(one);
    write(cpu, X, 11);
    assert.is(userRead(cpu, (X + 1) as Vpn), 0);
    for (const prot of [mman.PROT_READ, RW]) assert.is(sys_mprotect(cpu, X, PAGES, prot), 0);
    assert.equal([pteOf(cpu, X) & PTE_RW, pteOf(cpu, X + 1) & PTE_RW], [PTE_RW, 0]);
    assert.is(sys_fsync(cpu, file), 0);
    for (const prot of [mman.PROT_READ, RW]) assert.is(sys_mprotect(cpu, X, PAGES, prot), 0);
    assert.is(pteOf(cpu, X) & PTE_RW, 0);
    sys_munmap(cpu, X, PAGES);
  });
});

test('eviction drops clean pages that nobody uses, and no others', () => {
  withDisk({ pages: 6 }, (one) => {
    const { cpu, file, serve } = one;
    assert.is(sys_mmap(cpu, X, 1, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), X);
    assert.is(userRead(cpu, X as Vpn), 0); // Page 0 is mapped (and with it perhaps its neighbours, within the area).
    assert.is(sys_write(cpu, file, 1, 1), 1); // Page 1 is dirty,
    assert.is(sys_write(cpu, file, 2, 2), 1);
    assert.is(filemap_fdatawrite_range(cpu, file, 2, 3, 'none'), 1); // page 2 is being written,
    const referenced = filemap_get_folio(cpu, file, 3); // page 3 has another user,
    const locked = cachedFolio(cpu, file, 4); // page 4 is locked.
    folio_lock(one.other(), locked);
    assert.is(invalidate_mapping_pages(cpu, file, 0, FILE_END), 1);
    assert.is(nrpages(cpu.memory, file), 5);
    folio_put(cpu, referenced);
    folio_unlock(one.other(), locked);
    serve();
    assert.is(invalidate_mapping_pages(cpu, file, 0, FILE_END), 3);
    assert.equal([cachedFolio(cpu, file, 0) !== 0, cachedFolio(cpu, file, 1) !== 0, nrpages(cpu.memory, file)], [true, true, 2]);
    sys_munmap(cpu, X, 1);
  });
});

test('a reference or a write that comes right before the freeze keeps the page', () => {
  const points = new AtPoint();
  withDisk({ pages: 2, points }, ({ cpu, file }) => {
    let taken = 0 as ReturnType<typeof filemap_get_folio>;
    points.once(BEFORE_REFCOUNT_FREEZE, () => {
      taken = filemap_get_folio(cpu, file, 0);
    });
    assert.is(invalidate_mapping_pages(cpu, file, 0, 1), 0);
    folio_put(cpu, taken);
    points.once(BEFORE_REFCOUNT_FREEZE, () => void folio_mark_dirty(cpu, cachedFolio(cpu, file, 0)));
    assert.is(invalidate_mapping_pages(cpu, file, 0, 1), 0);
    assert.equal([points.passed, nrpages(cpu.memory, file)], [2, 2]);
    assert.is(sys_fsync(cpu, file), 0);
    assert.is(invalidate_mapping_pages(cpu, file, 0, 1), 1);
  });
});

test('a reverse walk finds the page in every area that maps it, and cleans it in each', () => {
  withDisk({}, (one) => {
    const { cpu, file, mm } = one;
    mapShared(one);
    assert.is(sys_mmap(cpu, X + 0x400, 2, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 1), X + 0x400);
    const child = one.fork();
    write(cpu, X + 1, 5);
    write(cpu, X + 0x400, 6);
    switch_mm(cpu, child as typeof mm);
    write(cpu, X + 1, 7);
    switch_mm(cpu, mm);
    const pfn = cachedFolio(cpu, file, 1);
    folio_lock(cpu, pfn);
    const pages: number[] = [];
    rmap_walk_file(cpu, pfn, ({ vpn }) => pages.push(vpn) > 0);
    assert.equal(
      pages.sort((a, b) => a - b),
      [X + 1, X + 1, X + 0x400],
    );
    let visits = 0;
    rmap_walk_file(cpu, pfn, () => ++visits < 2);
    assert.is(visits, 2);
    assert.equal([page_mkclean(cpu, pfn), page_mkclean(cpu, pfn)], [3, 0]);
    folio_unlock(cpu, pfn);
    assert.throws(
      () => rmap_walk_file(cpu, pfn, () => true),
      (error: unknown) => error instanceof InvariantError && error.id === 'I20',
    );
    sys_munmap(cpu, X, PAGES);
    sys_munmap(cpu, X + 0x400, 2);
    one.exit(child as typeof mm);
  });
});

test('a page that could not be written is dirty again, and is not counted as dirtied twice', () => {
  withDisk({}, ({ cpu, file }) => {
    assert.is(sys_write(cpu, file, 0, 1), 1);
    const pfn = cachedFolio(cpu, file, 0);
    folio_lock(cpu, pfn);
    assert.is(folio_clear_dirty_for_io(cpu, pfn), true);
    assert.is(folio_clear_dirty_for_io(cpu, pfn), false);
    folio_redirty(cpu, pfn);
    folio_redirty(cpu, pfn);
    folio_unlock(cpu, pfn);
    assert.equal([nr_file_dirty(cpu.memory), readCounters(cpu.memory).nr_dirtied], [1, 1]);
  });
});

test('a read that fails says so, and the next one tries again', () => {
  withDisk({ cached: false }, ({ cpu, file }) => {
    setBadBlocks(cpu.memory, DISK, file, 2, 1);
    assert.is(sys_read(cpu, file, 2), EIO);
    assert.is(cachedFlags(cpu, file, 2) & PG_uptodate, 0);
    assert.is(sys_read(cpu, file, 2), EIO);
    setBadBlocks(cpu.memory, DISK, file, 2, 0);
    assert.is(sys_read(cpu, file, 2), 1);
    assert.is(cpu.value, fileToken(file, 2));
  });
});

test('a reader brings along what read-ahead thinks he will want, and starts the next window at the mark', () => {
  withDisk({ pages: 40, cached: false, raPages: 16 }, ({ cpu, file }) => {
    for (let index = 0; index < 40; index++) {
      assert.is(sys_read(cpu, file, index), 1);
      assert.is(cpu.value, fileToken(file, index));
    }
    const { reads, pagesRead } = readDeviceStats(cpu.memory, DISK);
    assert.is(pagesRead, 40);
    assert.ok(reads <= 8);
    const counted = readCounters(cpu.memory);
    assert.ok(counted.ra_sync === 1 && counted.ra_async >= 2);
  });
});

test('without memory reads and writes fail, and nothing has changed', () => {
  for (const kind of ['frames', 'xaNodes'] as const) {
    withDisk({ cached: false }, ({ cpu, file }) => {
      const restore = hog(cpu, kind, 0);
      assert.equal([sys_read(cpu, file, 0), sys_write(cpu, file, 1, 5)], [ENOMEM, ENOMEM]);
      restore();
      assert.is(nrpages(cpu.memory, file), 0);
      assert.equal([sys_read(cpu, file, 1), cpu.value], [1, fileToken(file, 1)]);
    });
  }
});

test('a file that is closed waits for those who keep it, for reads and for writes, and writes nothing', () => {
  withDisk({ pages: 2, now: () => performance.now() }, (one) => {
    const { cpu, serve } = one;
    const file = createFile(cpu, { pages: 3, kind: FILE_DISK, device: DISK });
    for (const index of [0, 1]) assert.is(sys_write(cpu, file, index, 5), 1);
    assert.is(filemap_fdatawrite_range(cpu, file, 0, 1, 'none'), 1);
    get_file(cpu, file);
    assert.is(freezeFile(cpu, file), false);
    const waits: string[] = [];
    cpu.idle = () => {
      if (waits.length > 0) {
        waits.push('write');
        return serve();
      }
      fput(cpu, file); // Nobody is woken by that: the closing CPU looks again after a while.
      waits.push('pin');
      return false;
    };
    closeFile(cpu, file);
    assert.equal(waits, ['pin', 'write']);
    assert.is(tryGetFile(cpu, file), false);
    assert.equal([onDisk(cpu, file, 0), onDisk(cpu, file, 1)], [fileToken(file, 0), fileToken(file, 1)]);
    cpu.idle = serve;
  });
});

test('a file that is never written back is neither counted nor written', () => {
  withCpu({}, ({ cpu }) => {
    const file = createFile(cpu, { pages: 2, kind: FILE_RESIDENT });
    assert.is(sys_write(cpu, file, 1, 5), 1);
    assert.is(nr_file_dirty(cpu.memory), 0);
    assert.is(sys_fsync(cpu, file), 0);
    assert.equal([sys_read(cpu, file, 1), cpu.value], [1, 5]);
    closeFile(cpu, file);
  });
});

test.run();

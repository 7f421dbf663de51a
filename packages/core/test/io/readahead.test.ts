/** Which pages are read along with the one that is wanted: by faults, and by readers of a file; where the mark lies, and how the window grows. */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { page_cache_ra_unbounded, page_cache_sync_ra } from '@faultlab/core/io/readahead';
import { nrpages, raAsyncSizeWord, raMmapMissWord, raPrevPosWord, raSizeWord, raStartWord } from '@faultlab/core/mm/address_space';
import { fileToken } from '@faultlab/core/mm/filemap';
import { folio_flags, NO_FOLIO, PG_readahead, PG_uptodate, readStamp } from '@faultlab/core/mm/folio';
import * as mman from '@faultlab/core/mm/mman';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { readCounters } from '@faultlab/core/trace/counters';
import { userExecute, userRead } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { cachedFolio, type OnDisk, withDisk } from '../fixtures/disk.ts';
import { hog } from '../fixtures/hog.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('io/readahead');

const X = BASE;
const PAGES = 100;
const WINDOW = 16;
const OPTIONS = { pages: PAGES, cached: false, raPages: WINDOW, size: { deviceRequests: 64, frames: 1024 } } as const;

/** Runs of pages in the page cache, and where a mark is: "0-11 m12 13-15". */
function cache(cpu: Cpu, file: MappingId): string {
  const runs: string[] = [];
  let first = -1;
  const end = (index: number): void => {
    if (first >= 0) runs.push(`${first}-${index - 1}`);
    first = -1;
  };
  for (let index = 0; index <= PAGES; index++) {
    const pfn = index === PAGES ? NO_FOLIO : cachedFolio(cpu, file, index);
    const marked = pfn !== NO_FOLIO && (folio_flags(cpu, pfn) & PG_readahead) !== 0;
    if (pfn === NO_FOLIO || marked) end(index);
    else if (first < 0) first = index;
    if (marked) runs.push(`m${index}`);
  }
  return runs.join(' ');
}

const window = (cpu: Cpu, file: MappingId): number[] =>
  [raStartWord, raSizeWord, raAsyncSizeWord].map((word) => cpu.words[word(cpu.memory, file)] as number);

function mapped(body: (one: OnDisk) => void, advice?: number, prot: number = mman.PROT_READ, len = PAGES): void {
  withDisk(OPTIONS, (one) => {
    const { cpu, file } = one;
    setSysctl(cpu.memory, { faultAroundPages: 1 });
    assert.is(sys_mmap(cpu, X, len, prot, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), X);
    if (advice !== undefined) assert.is(sys_madvise(cpu, X, len, advice), 0);
    body(one);
    one.serve(); // Nobody waits for what is read ahead.
    for (let index = 0; index < PAGES; index++) {
      const pfn = cachedFolio(cpu, file, index);
      if (pfn === NO_FOLIO) continue;
      assert.is.not(folio_flags(cpu, pfn) & PG_uptodate, 0, `page ${index} is not read`);
      assert.is(readStamp(cpu, pfn), fileToken(file, index));
    }
    assert.is(sys_munmap(cpu, X, len), 0);
  });
}

const touch = (cpu: Cpu, page: number): void => assert.is(userRead(cpu, (X + page) as Vpn), 0);

test('a fault reads around its page: half the window before it, a quarter of it behind the mark', () => {
  mapped(({ cpu, file }) => {
    touch(cpu, 50);
    assert.is(cache(cpu, file), '42-53 m54 55-57');
    assert.equal(window(cpu, file), [42, 16, 4]);
  });
});

test('the start of the file moves the window, its end clips it', () => {
  mapped(({ cpu, file }) => {
    touch(cpu, 3);
    assert.is(cache(cpu, file), '0-11 m12 13-15');
    touch(cpu, 97);
    // Six of the sixteen pages are beyond the end, and the mark is four before it.
    assert.is(cache(cpu, file), '0-11 m12 13-15 89-95 m96 97-99');
  });
});

test('pages that are cached are passed over, and the runs between them are read', () => {
  mapped(({ cpu, file }) => {
    page_cache_ra_unbounded(cpu, file, 45, 2, 0);
    touch(cpu, 50);
    assert.is(cache(cpu, file), '42-53 m54 55-57');
    assert.is(readCounters(cpu.memory).ra_pages, 16);
  });
});

test('a fault on the marked page starts the next window, which is as large as can be', () => {
  mapped(({ cpu, file }) => {
    touch(cpu, 50);
    touch(cpu, 54);
    assert.is(cache(cpu, file), '42-57 m58 59-73');
    assert.equal(window(cpu, file), [58, 16, 16]);
    assert.is(readCounters(cpu.memory).ra_async, 1);
  });
});

test('a mark of a window that is not the last one tells the size of the next by what is cached behind it', () => {
  mapped(({ cpu, file }) => {
    touch(cpu, 10);
    touch(cpu, 60);
    assert.is(cache(cpu, file), '2-13 m14 15-17 52-63 m64 65-67');
    touch(cpu, 14);
    assert.is(cache(cpu, file), '2-17 m18 19-33 52-63 m64 65-67');
  });
});

test('an area that is read in order starts with what is wanted, not before it', () => {
  mapped(({ cpu, file }) => {
    touch(cpu, 0);
    assert.is(cache(cpu, file), '0-7 m8 9-15');
    touch(cpu, 8);
    assert.is(cache(cpu, file), '0-15 m16 17-31');
  }, mman.MADV_SEQUENTIAL);
});

test('an area that is read at random reads one page at a time', () => {
  mapped(({ cpu, file }) => {
    touch(cpu, 50);
    touch(cpu, 52);
    assert.is(cache(cpu, file), '50-50 52-52');
  }, mman.MADV_RANDOM);
});

test('code is read from its page on, and not past its area', () => {
  mapped(
    ({ cpu, file }) => {
      assert.is(userExecute(cpu, (X + 10) as Vpn), 0);
      assert.is(cache(cpu, file), '10-25');
      assert.is(userExecute(cpu, (X + 30) as Vpn), 0);
      assert.is(cache(cpu, file), '10-25 30-35');
    },
    undefined,
    mman.PROT_READ | mman.PROT_EXEC,
    36,
  );
});

test('after a hundred misses more than hits nothing is read around any more, and the count ends at a thousand', () => {
  mapped(({ cpu, file }) => {
    const misses = raMmapMissWord(cpu.memory, file);
    cpu.words[misses] = 99;
    touch(cpu, 10);
    assert.is(cache(cpu, file), '2-13 m14 15-17');
    cpu.words[misses] = 100;
    touch(cpu, 50);
    assert.is(cache(cpu, file), '2-13 m14 15-17 50-50');
    assert.is(cpu.words[misses], 101);
    cpu.words[misses] = 1000;
    touch(cpu, 60);
    assert.is(cpu.words[misses], 1000);
    touch(cpu, 11);
    assert.is(cpu.words[misses], 999);
  });
});

/** What the cache holds after a reader has missed a page. */
function missed(index: number, wanted: number, prepare: (one: OnDisk) => void = () => {}): string {
  return withDisk(OPTIONS, (one) => {
    const { cpu, file } = one;
    cpu.words[raPrevPosWord(cpu.memory, file)] = 1000;
    prepare(one);
    page_cache_sync_ra(cpu, file, index, wanted);
    const result = cache(cpu, file);
    one.serve();
    return result;
  });
}

test('a reader that misses: the start of a file, the next page, a lone page, and the end of a run that is cached', () => {
  assert.is(missed(0, 1), '0-0 m1');
  assert.is(missed(20, 1), '20-20', 'alone, and so no more than wanted');
  assert.is(
    missed(20, 2, ({ cpu, file }) => {
      cpu.words[raPrevPosWord(cpu.memory, file)] = 19;
    }),
    '20-21 m22 23-23',
    'right after the last one',
  );
  assert.is(
    missed(20, 1, ({ cpu, file }) => page_cache_ra_unbounded(cpu, file, 15, 5, 0)),
    '15-24 m25',
    'what is cached before it says how far to read',
  );
  assert.is(
    missed(5, 1, ({ cpu, file }) => page_cache_ra_unbounded(cpu, file, 0, 5, 0)),
    '0-14 m15',
    'cached from the start: a long run',
  );
});

test('no memory ends the readahead early, and nothing is left locked', () => {
  withDisk(OPTIONS, (one) => {
    const { cpu, file } = one;
    const giveBack = hog(cpu, 'frames', 3);
    page_cache_ra_unbounded(cpu, file, 0, 16, 0);
    assert.is(nrpages(cpu.memory, file), 3);
    giveBack();
    one.serve();
  });
  withDisk(OPTIONS, (one) => {
    const giveBack = hog(one.cpu, 'xaNodes', 0);
    page_cache_ra_unbounded(one.cpu, one.file, 0, 16, 0);
    assert.is(nrpages(one.cpu.memory, one.file), 0);
    giveBack();
  });
});

test('a window of more pages than a request moves becomes several requests, also when the device has one at a time', () => {
  withDisk({ ...OPTIONS, size: { ...OPTIONS.size, deviceRequests: 1 } }, (one) => {
    const { cpu, file } = one;
    page_cache_ra_unbounded(cpu, file, 0, PAGES, 0);
    one.serve();
    assert.is(nrpages(cpu.memory, file), PAGES);
    for (let index = 0; index < PAGES; index++) {
      const pfn = cachedFolio(cpu, file, index);
      assert.equal([folio_flags(cpu, pfn) & PG_uptodate, readStamp(cpu, pfn)], [PG_uptodate, fileToken(file, index)]);
    }
  });
});

test('nothing is read that is beyond the end by the time that the file is locked', () => {
  withDisk(OPTIONS, (one) => {
    const { cpu, file } = one;
    assert.is(sys_ftruncate(cpu, file, 5), 0);
    page_cache_ra_unbounded(cpu, file, 0, 16, 0);
    assert.is(nrpages(cpu.memory, file), 5);
    one.serve();
  });
});

test.run();

/**
 * What system calls do to pages that are not present in the ordinary way: in a device, alone with a device, broken, guarded, hinted. Each kind
 * meets each call; then every access says what is left, and nothing may leak (withCpu sweeps all invariants).
 */
import type { MappingId, Pfn, Vpn } from '@faultlab/core/base/brand';
import { EBUSY, EFAULT, EINVAL, ENOENT, ENOMEM } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { FOLL_WRITE } from '@faultlab/core/fault/foll_flags';
import { pin_user_pages_remote } from '@faultlab/core/fault/gup';
import { createFile, freeFile } from '@faultlab/core/mm/address_space';
import { makeDeviceExclusive } from '@faultlab/core/mm/device_exclusive';
import { dropFilePages, fileToken } from '@faultlab/core/mm/filemap';
import { folio_get, folioTest, PG_hwpoison } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { poisonPage, unpoison_memory } from '@faultlab/core/mm/memory_failure';
import { migrateToDevice } from '@faultlab/core/mm/migrate_device';
import * as mman from '@faultlab/core/mm/mman';
import { folio_put, unpin_user_page } from '@faultlab/core/mm/page_alloc';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { taskNumaWork } from '@faultlab/core/syscalls/change_prot_numa';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_move_pages } from '@faultlab/core/syscalls/move_pages';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { readCounters } from '@faultlab/core/trace/counters';
import { userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { hog } from '../fixtures/hog.ts';
import { pfnAt, readsAs } from '../fixtures/special.ts';
import { BASE, type OneCpu, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/special_entries');

const X = BASE;
const TO = BASE + 0x800;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const ANON = mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_FIXED;
const WRITTEN = 7;

type Value = number | string;
interface Kind {
  readonly name: string;
  /** Makes page X, which holds WRITTEN, special. */
  readonly make: (cpu: Cpu) => void;
  /** What a read of it finds. */
  readonly reads: Value;
  /** What a read finds after MADV_DONTNEED. */
  readonly discarded: Value;
  /** The page can be written in the end. */
  readonly writable: boolean;
}

const KINDS: readonly Kind[] = [
  {
    name: 'a page in a device',
    make: (cpu) => assert.is(migrateToDevice(cpu, cpu.mm, X as Vpn), 0),
    reads: WRITTEN,
    discarded: 0,
    writable: true,
  },
  {
    name: 'a page that a device has for itself',
    make: (cpu) => assert.is(makeDeviceExclusive(cpu, cpu.mm, X as Vpn), 0),
    reads: WRITTEN,
    discarded: 0,
    writable: true,
  },
  {
    name: 'a broken page',
    make: (cpu) => assert.is(poisonPage(cpu, cpu.mm, X as Vpn), 0),
    reads: 'BUS_MCEERR_AR',
    discarded: 0,
    writable: false,
  },
  {
    name: 'a guard page',
    make: (cpu) => assert.is(sys_madvise(cpu, X, 1, mman.MADV_GUARD_INSTALL), 0),
    reads: 'SEGV_MAPERR',
    discarded: 'SEGV_MAPERR',
    writable: false,
  },
  { name: 'a NUMA hint', make: (cpu) => assert.is(taskNumaWork(cpu, X, 1), 1), reads: WRITTEN, discarded: 0, writable: true },
];

type Call = (one: OneCpu, kind: Kind) => void;
const CALLS: Readonly<Record<string, Call>> = {
  'nothing, until the process ends': () => {},
  'an access': ({ cpu }, { reads }) => assert.is(readsAs(cpu, X), reads),
  munmap: ({ cpu }) => {
    assert.is(sys_munmap(cpu, X, 1), 0);
    assert.is(readsAs(cpu, X), 'SEGV_MAPERR');
  },
  MADV_DONTNEED: ({ cpu }, { discarded }) => {
    assert.is(sys_madvise(cpu, X, 1, mman.MADV_DONTNEED), 0);
    assert.is(readsAs(cpu, X), discarded);
  },
  mmap: ({ cpu }) => {
    assert.is(sys_mmap(cpu, X, 1, RW, ANON, 0 as MappingId, 0), X);
    assert.is(readsAs(cpu, X), 0);
  },
  fork: (one, { reads, writable }) => {
    const { cpu, mm } = one;
    const child = one.fork();
    assert.ok(child > 0);
    assert.is(readsAs(cpu, X), reads);
    if (writable) assert.is(userWrite(cpu, X as Vpn, 20), 0);
    switch_mm(cpu, child as never);
    assert.is(readsAs(cpu, X), reads);
    if (writable) assert.is(userWrite(cpu, X as Vpn, 30), 0);
    switch_mm(cpu, mm);
    assert.is(readsAs(cpu, X), writable ? 20 : reads);
  },
  'fork, and the child ends': (one, { reads }) => {
    const child = one.fork();
    one.exit(child as never);
    assert.is(readsAs(one.cpu, X), reads);
  },
  'mprotect to read-only': ({ cpu }, { reads, writable }) => {
    assert.is(sys_mprotect(cpu, X, 8, mman.PROT_READ), 0);
    assert.is(readsAs(cpu, X), reads);
    assert.is(userWrite(cpu, X as Vpn, 9) === 0, false);
    assert.is(sys_mprotect(cpu, X, 8, RW), 0);
    assert.is(userWrite(cpu, X as Vpn, 9) === 0, writable);
    assert.is(readsAs(cpu, X), writable ? 9 : reads);
  },
  'mprotect to nothing, and back': ({ cpu }, { reads }) => {
    assert.is(sys_mprotect(cpu, X, 1, mman.PROT_NONE), 0);
    assert.is(readsAs(cpu, X), 'SEGV_ACCERR');
    assert.is(sys_mprotect(cpu, X, 1, RW), 0);
    assert.is(readsAs(cpu, X), reads);
  },
  mremap: ({ cpu }, { reads, writable }) => {
    assert.is(sys_mremap(cpu, X, 8, 8, mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED, TO), TO);
    assert.is(readsAs(cpu, TO), reads);
    assert.is(userWrite(cpu, TO as Vpn, 9) === 0, writable);
  },
  move_pages: ({ cpu }, { name, reads }) => {
    assert.is(sys_move_pages(cpu, X), name === 'a NUMA hint' ? 0 : ENOENT);
    assert.is(readsAs(cpu, X), reads);
  },
  MADV_GUARD_INSTALL: ({ cpu }) => {
    assert.is(sys_madvise(cpu, X, 2, mman.MADV_GUARD_INSTALL), 0);
    assert.equal([readsAs(cpu, X), readsAs(cpu, X + 1)], ['SEGV_MAPERR', 'SEGV_MAPERR']);
  },
  'a NUMA hint': ({ cpu }, { reads }) => {
    assert.is(taskNumaWork(cpu, X, 1), 0);
    assert.is(readsAs(cpu, X), reads);
  },
  'a pin by the kernel': ({ cpu, mm }, { reads, writable }) => {
    const pages: Pfn[] = [];
    assert.is(pin_user_pages_remote(cpu, mm, X as Vpn, 1, FOLL_WRITE, pages, { locked: false }) === 1, writable);
    for (const pfn of pages) unpin_user_page(cpu, pfn);
    assert.is(readsAs(cpu, X), reads);
  },
};

for (const kind of KINDS) {
  for (const [name, call] of Object.entries(CALLS)) {
    test(`${kind.name}: ${name}`, () => {
      withCpu({}, (one) => {
        const { cpu } = one;
        assert.is(sys_mmap(cpu, X, 8, RW, ANON, 0 as MappingId, 0), X);
        for (const page of [X, X + 1]) assert.is(userWrite(cpu, page as Vpn, WRITTEN), 0);
        const pfn: Pfn = pfnAt(cpu, X);
        kind.make(cpu);
        call(one, kind);
        // The frame is broken for ever; the test wants it back.
        if (folioTest(cpu, pfn, PG_hwpoison)) {
          assert.is(sys_munmap(cpu, X, 8), 0);
          sys_munmap(cpu, TO, 8);
          for (const child of one.children()) one.exit(child);
          unpoison_memory(cpu, pfn);
        }
      });
    });
  }
}

/** An anonymous page at X. */
const onePage = (cpu: Cpu): Pfn => {
  assert.is(sys_mmap(cpu, X, 8, RW, ANON, 0 as MappingId, 0), X);
  assert.is(userWrite(cpu, X as Vpn, WRITTEN), 0);
  return pfnAt(cpu, X);
};

test('move_pages: what it refuses', () => {
  withCpu({}, ({ cpu, mm }) => {
    const pfn = onePage(cpu);
    assert.is(sys_move_pages(cpu, X - 1), EFAULT);
    assert.is(sys_move_pages(cpu, X + 1), ENOENT);
    assert.is(readsAs(cpu, X + 1), 0);
    assert.is(sys_move_pages(cpu, X + 1), EFAULT);
    folio_get(cpu, pfn);
    assert.is(sys_move_pages(cpu, X), EBUSY);
    assert.is(readsAs(cpu, X), WRITTEN);
    folio_put(cpu, pfn);
    const pages: Pfn[] = [];
    assert.is(pin_user_pages_remote(cpu, mm, X as Vpn, 1, 0, pages, { locked: false }), 1);
    assert.is(sys_move_pages(cpu, X), EBUSY);
    unpin_user_page(cpu, pages[0] as Pfn);
    const giveBack = hog(cpu, 'frames', 0);
    assert.is(sys_move_pages(cpu, X), ENOMEM);
    giveBack();
    assert.is(sys_move_pages(cpu, X), 0);
    assert.is.not(pfnAt(cpu, X), pfn);
    assert.is(readsAs(cpu, X), WRITTEN);
  });
});

test('move_pages: a page that relatives share moves for all of them, and stays shared', () => {
  withCpu({}, (one) => {
    const { cpu, mm } = one;
    const pfn = onePage(cpu);
    const child = one.fork();
    assert.is(sys_move_pages(cpu, X), 0);
    const fresh = pfnAt(cpu, X);
    assert.is.not(fresh, pfn);
    switch_mm(cpu, child as never);
    assert.is(pfnAt(cpu, X), fresh);
    assert.is(userWrite(cpu, X as Vpn, 8), 0);
    assert.is.not(pfnAt(cpu, X), fresh);
    switch_mm(cpu, mm);
    assert.is(readsAs(cpu, X), WRITTEN);
  });
});

test('move_pages: a page of a file moves in the page cache and in every mapping of it', () => {
  withCpu({}, ({ cpu }) => {
    const file = createFile(cpu, 4);
    const at = X + 16;
    for (const [place, type] of [
      [at, mman.MAP_SHARED],
      [at + 8, mman.MAP_PRIVATE],
    ] as const) {
      assert.is(sys_mmap(cpu, place, 4, RW, type | mman.MAP_FIXED, file, 0), place);
      assert.is(readsAs(cpu, place + 1), fileToken(file, 1));
    }
    const pfn = pfnAt(cpu, at + 1);
    assert.is(userWrite(cpu, (at + 1) as Vpn, 40), 0);
    assert.is(sys_move_pages(cpu, at + 1), 0);
    const fresh = pfnAt(cpu, at + 1);
    assert.is.not(fresh, pfn);
    assert.is(pfnAt(cpu, at + 9), fresh);
    assert.equal([readsAs(cpu, at + 1), readsAs(cpu, at + 9)], [40, 40]);
    assert.is(userWrite(cpu, (at + 9) as Vpn, 41), 0);
    assert.equal([readsAs(cpu, at + 1), readsAs(cpu, at + 9)], [40, 41]);
    assert.is(sys_munmap(cpu, at, 16), 0);
    dropFilePages(cpu, file);
    freeFile(cpu, file);
  });
});

test('guard pages: what cannot have them, and what is left where there is no page table', () => {
  withCpu({}, ({ cpu }) => {
    assert.is(sys_mmap(cpu, X, 8, RW, ANON | mman.MAP_LOCKED, 0 as MappingId, 0), X);
    assert.is(sys_madvise(cpu, X, 1, mman.MADV_GUARD_INSTALL), EINVAL);
    assert.is(sys_madvise(cpu, X - 2, 1, mman.MADV_GUARD_INSTALL), ENOMEM);
    assert.is(sys_mmap(cpu, TO, 8, RW, ANON, 0 as MappingId, 0), TO);
    assert.is(sys_madvise(cpu, TO, 8, mman.MADV_GUARD_REMOVE), 0);
    const giveBack = hog(cpu, 'tables', 0);
    assert.is(sys_madvise(cpu, TO, 8, mman.MADV_GUARD_INSTALL), ENOMEM);
    giveBack();
    assert.is(readsAs(cpu, TO), 0);
  });
});

test('fork fails while somebody has locked a page that a device has for itself', () => {
  withCpu({}, (one) => {
    const { cpu } = one;
    const pfn = onePage(cpu);
    assert.is(makeDeviceExclusive(cpu, cpu.mm, X as Vpn), 0);
    const other = one.other();
    folio_lock(other, pfn);
    assert.is(one.fork(), EBUSY);
    folio_unlock(other, pfn);
    assert.is(readsAs(cpu, X), WRITTEN);
    assert.ok(one.fork() > 0);
  });
});

test('only a page of its own can be given to a device alone, and only anonymous pages can move to a device', () => {
  withCpu({}, (one) => {
    const { cpu, mm } = one;
    onePage(cpu);
    one.fork();
    assert.is(makeDeviceExclusive(cpu, mm, X as Vpn), EBUSY);
    assert.is(migrateToDevice(cpu, mm, X as Vpn), 0);
    assert.is(poisonPage(cpu, mm, X as Vpn), ENOENT);
    assert.is(readsAs(cpu, X), WRITTEN);
    const file = createFile(cpu, 1);
    assert.is(sys_mmap(cpu, TO, 1, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), TO);
    assert.is(userWrite(cpu, TO as Vpn, 1), 0);
    assert.is(migrateToDevice(cpu, mm, TO as Vpn), EBUSY);
    assert.is(poisonPage(cpu, mm, TO as Vpn), EBUSY);
    assert.is(makeDeviceExclusive(cpu, mm, TO as Vpn), EBUSY);
    assert.is(readCounters(cpu.memory).pgmigrate_fail, 1);
    assert.is(sys_munmap(cpu, TO, 1), 0);
    dropFilePages(cpu, file);
    freeFile(cpu, file);
  });
});

test.run();

/** Fault-around: which pages a read fault maps besides its own, which it leaves, and how its window is clipped. */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { FAULT_FLAG_WRITE, VM_FAULT_LOCKED, VM_FAULT_NOPAGE } from '@faultlab/core/fault/vm_fault';
import { raMmapMissWord } from '@faultlab/core/mm/address_space';
import { folio_mapcount, folioClear, folioSet, PG_hwpoison, PG_readahead, PG_uptodate } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { PTE_DIRTY, PTE_RW, PTE_YOUNG } from '@faultlab/core/mm/pte';
import { vm_flags, vm_flags_reset } from '@faultlab/core/mm/vm_area_struct';
import { VM_UFFD_MINOR } from '@faultlab/core/mm/vm_flags';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { readCounters } from '@faultlab/core/trace/counters';
import { readTrace } from '@faultlab/core/trace/trace_ring';
import { userRead } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { attempt, held } from '../fixtures/attempt.ts';
import { cachedFolio, type OnDisk, pteOf, withDisk } from '../fixtures/disk.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('fault/filemap_map_pages');

const FILE_PAGES = 40;
const SIZE = { traceEntries: 1024, deviceRequests: 64 };

interface Window {
  readonly name: string;
  readonly start: number;
  readonly len: number;
  readonly offset?: number;
  readonly touch: number;
  readonly around?: number;
  /** First and last index in the file. */
  readonly window: readonly [number, number];
}

const WINDOWS: readonly Window[] = [
  { name: 'an aligned window around the page', start: BASE, len: 40, touch: BASE + 20, window: [16, 31] },
  { name: 'the end of the file clips it', start: BASE, len: 48, touch: BASE + 33, window: [32, 39] },
  { name: 'the area clips it on both sides', start: BASE + 18, len: 4, offset: 18, touch: BASE + 20, window: [18, 21] },
  // The window begins at the area then, and is as long as ever.
  { name: 'an area that starts in the middle of a window', start: BASE + 21, len: 19, offset: 21, touch: BASE + 22, window: [21, 36] },
  { name: 'the page table clips it', start: BASE + 506, len: 20, touch: BASE + 508, window: [0, 5] },
  { name: 'the next page table starts a window of its own', start: BASE + 506, len: 20, touch: BASE + 514, window: [6, 19] },
  { name: 'alignment is by address, not by index', start: BASE + 8, len: 30, offset: 0, touch: BASE + 18, window: [8, 23] },
  { name: 'a window of two pages', start: BASE, len: 40, touch: BASE + 5, around: 2, window: [4, 5] },
];

const mapShared = (cpu: Cpu, file: MappingId, start: number, len: number, offset = 0, prot = mman.PROT_READ): void =>
  assert.is(sys_mmap(cpu, start, len, prot, mman.MAP_SHARED | mman.MAP_FIXED, file, offset), start);

for (const { name, start, len, offset, touch, around = 16, window } of WINDOWS) {
  test(`${name}: pages ${window[0]} to ${window[1]}`, () => {
    withDisk({ pages: FILE_PAGES, trace: true, size: SIZE }, ({ cpu, file }) => {
      setSysctl(cpu.memory, { faultAroundPages: around });
      mapShared(cpu, file, start, len, offset);
      cpu.memory.trace.fill(0);
      assert.is(userRead(cpu, touch as Vpn), 0);
      const events = readTrace(cpu.memory, cpu.id).filter(({ name: event }) => event === 'mm_filemap_map_pages');
      assert.equal(
        events.map(({ args }) => [args['start'], args['end']]),
        [window],
      );
      const mapped: number[] = [];
      for (let page = start; page < start + len; page++) if (pteOf(cpu, page) !== 0) mapped.push(page - start + (offset ?? 0));
      assert.equal([mapped[0], mapped.at(-1), mapped.length], [window[0], window[1], window[1] - window[0] + 1]);
      assert.is(sys_munmap(cpu, start, len), 0);
    });
  });
}

test('what is locked, not up to date, marked for readahead, poisoned, absent or mapped already is left alone', () => {
  withDisk({ pages: 8, direct: true }, (one) => {
    const { cpu, file } = one;
    const at = (index: number) => cachedFolio(cpu, file, index);
    mapShared(cpu, file, BASE, 8);
    setSysctl(cpu.memory, { faultAroundPages: 1 });
    assert.is(userRead(cpu, (BASE + 6) as Vpn), 0);
    setSysctl(cpu.memory, { faultAroundPages: 16 });
    folio_lock(one.other(), at(1));
    folioClear(cpu, at(2), PG_uptodate);
    folioSet(cpu, at(3), PG_readahead);
    folioSet(cpu, at(4), PG_hwpoison);
    assert.equal(attempt(cpu, BASE, 0, 'vma'), held(VM_FAULT_NOPAGE));
    assert.equal(
      [0, 1, 2, 3, 4, 5, 6, 7].map((index) => folio_mapcount(cpu, at(index))),
      [1, 0, 0, 0, 0, 1, 1, 1],
    );
    folio_unlock(one.other(), at(1));
    folioSet(cpu, at(2), PG_uptodate);
    folioClear(cpu, at(3), PG_readahead);
    folioClear(cpu, at(4), PG_hwpoison);
    sys_munmap(cpu, BASE, 8);
  });
});

test('a file that wants to know of writes is mapped read-only, and everything is young', () => {
  withDisk({ pages: 8 }, ({ cpu, file }) => {
    mapShared(cpu, file, BASE, 8, 0, mman.PROT_READ | mman.PROT_WRITE);
    assert.is(userRead(cpu, BASE as Vpn), 0);
    for (let page = BASE; page < BASE + 8; page++) assert.is(pteOf(cpu, page) & (PTE_RW | PTE_DIRTY | PTE_YOUNG), PTE_YOUNG);
    sys_munmap(cpu, BASE, 8);
  });
});

test('no write maps around, nor does an area with reports of minor faults, nor a window of one page', () => {
  const asked = (prepare: (one: OnDisk) => void, flags = 0): readonly number[] =>
    withDisk({ pages: 8, direct: true }, (one) => {
      const { cpu, file, mm } = one;
      assert.is(sys_mmap(cpu, BASE, 8, mman.PROT_READ | mman.PROT_WRITE, mman.MAP_PRIVATE | mman.MAP_FIXED, file, 0), BASE);
      prepare(one);
      const before = readCounters(cpu.memory);
      const { result } = attempt(cpu, BASE, flags, 'vma');
      const after = readCounters(cpu.memory);
      const vma = mas_walk(cpu, mmTree(cpu.memory, mm), BASE as Vpn);
      vm_flags_reset(cpu.memory, vma, vm_flags(cpu.memory, vma) & ~VM_UFFD_MINOR);
      sys_munmap(cpu, BASE, 8);
      return [result, after.filemap_map_pages - before.filemap_map_pages, after.filemap_faults - before.filemap_faults];
    });
  const minor = ({ cpu, mm }: OnDisk): void => {
    const vma = mas_walk(cpu, mmTree(cpu.memory, mm), BASE as Vpn);
    vm_flags_reset(cpu.memory, vma, vm_flags(cpu.memory, vma) | VM_UFFD_MINOR);
  };
  assert.equal(
    asked(() => {}),
    [VM_FAULT_NOPAGE, 1, 0],
  );
  assert.equal(
    asked(() => {}, FAULT_FLAG_WRITE),
    [VM_FAULT_LOCKED, 0, 1],
  );
  assert.equal(asked(minor), [VM_FAULT_LOCKED, 0, 1]);
  assert.equal(
    asked(({ cpu }) => setSysctl(cpu.memory, { faultAroundPages: 1 })),
    [VM_FAULT_LOCKED, 0, 1],
  );
});

test('pages that are found count as hits against the misses of the file', () => {
  withDisk({ pages: 8 }, ({ cpu, file }) => {
    const misses = raMmapMissWord(cpu.memory, file);
    mapShared(cpu, file, BASE, 8);
    cpu.words[misses] = 20;
    assert.is(userRead(cpu, BASE as Vpn), 0);
    assert.is(cpu.words[misses], 12);
    sys_munmap(cpu, BASE, 8);
    mapShared(cpu, file, BASE, 8);
    cpu.words[misses] = 3;
    assert.is(userRead(cpu, BASE as Vpn), 0);
    assert.is(cpu.words[misses], 0);
    sys_munmap(cpu, BASE, 8);
  });
});

test.run();

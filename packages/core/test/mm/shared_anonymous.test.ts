/** Shared anonymous memory: a file that only areas refer to, and that ends with the last of them, however that one ends. */
import type { MappingId, MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING, NO_MM } from '@faultlab/core/base/brand';
import { ENOMEM } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { FILE_SHMEM, fileKind, get_file, i_mmap_count, i_size, nrpages } from '@faultlab/core/mm/address_space';
import { fput } from '@faultlab/core/mm/fput';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { anonRssWord, fileRssWord, mmTree, shmemRssWord } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { vm_file, vm_pgoff } from '@faultlab/core/mm/vm_area_struct';
import { MAPPING_CACHE } from '@faultlab/core/slab/caches';
import { isAllocated, kmem_cache_in_use } from '@faultlab/core/slab/kmem_cache';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { hog } from '../fixtures/hog.ts';
import { ALL_POLICIES, BASE, type OneCpu, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('mm/shared_anonymous');

const X = BASE;
const PAGES = 8;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const SHARED = mman.MAP_SHARED | mman.MAP_ANONYMOUS | mman.MAP_FIXED;
const PRIVATE = mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_FIXED;

const map = (cpu: Cpu, start = X, pages = PAGES, flags = SHARED): number => sys_mmap(cpu, start, pages, RW, flags, NO_MAPPING, 0);
const write = (cpu: Cpu, page: number, value: number): void => assert.is(userWrite(cpu, page as Vpn, value), 0);
function read(cpu: Cpu, page: number): number {
  assert.is(userRead(cpu, page as Vpn), 0);
  return cpu.value;
}
const fileAt = (cpu: Cpu, page: number): MappingId => vm_file(cpu.memory, mas_walk(cpu, mmTree(cpu.memory, cpu.mm), page as Vpn));
const alive = (cpu: Cpu, file: MappingId): boolean => isAllocated(cpu.memory, MAPPING_CACHE, file);

/** Maps, writes every second page, does something, and says whether the file is alive then. What is left ends with the test. */
function afterwards(body: (one: OneCpu, file: MappingId) => void): boolean {
  return withCpu({}, (one) => {
    const { cpu } = one;
    assert.is(map(cpu), X);
    for (let page = 0; page < PAGES; page += 2) write(cpu, X + page, 100 + page);
    const file = fileAt(cpu, X);
    body(one, file);
    return alive(cpu, file);
  });
}

test('mmap makes a file of that size in shmem, at offset 0', () => {
  afterwards(({ cpu }, file) => {
    const { memory } = cpu;
    assert.is(fileKind(memory, file), FILE_SHMEM);
    assert.is(i_size(memory, file), PAGES);
    assert.is(vm_pgoff(memory, mas_walk(cpu, mmTree(memory, cpu.mm), X as Vpn)), 0);
    assert.is(nrpages(memory, file), PAGES / 2);
  });
});

test('two mappings next to each other are two files, and two areas', () => {
  withCpu({}, ({ cpu }) => {
    map(cpu);
    map(cpu, X + PAGES);
    assert.is.not(fileAt(cpu, X), fileAt(cpu, X + PAGES));
  });
});

test('its pages count as shmem, not as files and not as anonymous', () => {
  afterwards(({ cpu, mm }) => {
    const count = (word: (m: Cpu['memory'], mm: MmId) => number): number => cpu.words[word(cpu.memory, mm)] as number;
    assert.equal([count(anonRssWord), count(fileRssWord), count(shmemRssWord)], [0, 0, PAGES / 2]);
  });
});

test('what nobody has written reads as zero, once for all who map it', () => {
  afterwards((one, file) => {
    assert.is(read(one.cpu, X + 1), 0);
    assert.is(nrpages(one.cpu.memory, file), PAGES / 2 + 1);
  });
});

for (const policy of ALL_POLICIES) {
  test(`${policy.name}: parent and child see each other's writes, before and after the fork`, () => {
    withCpu({ policy }, (one) => {
      const { cpu, mm } = one;
      map(cpu);
      write(cpu, X, 1);
      const child = one.fork() as MmId;
      write(cpu, X + 1, 2);
      switch_mm(cpu, child);
      assert.equal([read(cpu, X), read(cpu, X + 1)], [1, 2]);
      write(cpu, X, 3);
      switch_mm(cpu, mm);
      assert.is(read(cpu, X), 3);
    });
  });
}

test('the file ends when munmap takes the last area', () => {
  assert.is(
    afterwards(({ cpu }) => sys_munmap(cpu, X, PAGES)),
    false,
  );
});

test('it lives on while a part is mapped, with the pages that no area shows any more', () => {
  const left = afterwards(({ cpu }, file) => {
    sys_munmap(cpu, X, PAGES - 1);
    assert.is(i_mmap_count(cpu.memory, file), 1);
    assert.is(nrpages(cpu.memory, file), PAGES / 2);
  });
  assert.is(left, true);
});

test('it ends when the parts are unmapped one by one', () => {
  const left = afterwards(({ cpu }, file) => {
    for (const page of [3, 0, 7, 1, 2, 4, 6]) sys_munmap(cpu, X + page, 1);
    assert.is(alive(cpu, file), true);
    sys_munmap(cpu, X + 5, 1);
  });
  assert.is(left, false);
});

test('it ends when something else is mapped over the last area', () => {
  assert.is(
    afterwards(({ cpu }) => assert.is(map(cpu, X, PAGES, PRIVATE), X)),
    false,
  );
});

test('mapping the same again over it makes a new file of zeroes', () => {
  const left = afterwards(({ cpu }) => {
    assert.is(map(cpu), X);
    assert.is(read(cpu, X), 0);
    assert.is(kmem_cache_in_use(cpu.memory, MAPPING_CACHE), 1);
  });
  assert.is(left, false);
});

test('it ends with the last address space that has it', () => {
  const left = afterwards((one, file) => {
    const { cpu, mm } = one;
    const child = one.fork() as MmId;
    switch_mm(cpu, child);
    write(cpu, X + 1, 55);
    switch_mm(cpu, NO_MM);
    one.exit(mm);
    assert.is(alive(cpu, file), true);
    switch_mm(cpu, child);
    assert.is(read(cpu, X + 1), 55);
    assert.is(read(cpu, X + 2), 102);
    switch_mm(cpu, NO_MM);
    one.exit(child);
  });
  assert.is(left, false);
});

test('a move takes it along; the move over it ends it', () => {
  const left = afterwards(({ cpu }, file) => {
    const move = (from: number, to: number): number => sys_mremap(cpu, from, PAGES, PAGES, mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED, to);
    assert.is(move(X, X + 0x100), X + 0x100);
    assert.is(alive(cpu, file), true);
    assert.is(read(cpu, X + 0x102), 102);
    map(cpu, X);
    write(cpu, X, 7);
    assert.is(move(X, X + 0x100), X + 0x100);
    assert.is(read(cpu, X + 0x100), 7);
  });
  assert.is(left, false);
});

test('growing it by mremap shows no pages behind its end', () => {
  afterwards(({ cpu }) => {
    assert.is(sys_mremap(cpu, X, PAGES, PAGES + 2, 0, 0), X);
    assert.is(userRead(cpu, (X + PAGES) as Vpn), 3, 'SIGBUS behind the end of the file');
    assert.is(sys_mremap(cpu, X, PAGES + 2, 2, 0, 0), X);
    assert.is(read(cpu, X), 100);
  });
});

test('areas that are split and merged again keep one reference each', () => {
  const left = afterwards(({ cpu }, file) => {
    assert.is(sys_mprotect(cpu, X + 2, 2, mman.PROT_READ), 0);
    assert.is(i_mmap_count(cpu.memory, file), 3);
    assert.is(sys_mprotect(cpu, X + 2, 2, RW), 0);
    assert.is(i_mmap_count(cpu.memory, file), 1);
    sys_munmap(cpu, X, PAGES);
  });
  assert.is(left, false);
});

test('whoever still keeps it when the last area goes is the one that ends it', () => {
  const left = afterwards((one, file) => {
    get_file(one.cpu, file);
    sys_munmap(one.cpu, X, PAGES);
    assert.is(alive(one.cpu, file), true);
    assert.is(nrpages(one.cpu.memory, file), PAGES / 2);
    fput(one.other(), file);
  });
  assert.is(left, false);
});

test('no memory for the file, or for its area: ENOMEM, and nothing is left', () => {
  withCpu({ size: { mappings: 1 } }, ({ cpu }) => {
    map(cpu);
    assert.is(map(cpu, X + 0x100), ENOMEM);
  });
  withCpu({}, ({ cpu }) => {
    const giveBack = hog(cpu, 'vmas', 0);
    assert.is(map(cpu), ENOMEM);
    giveBack();
    assert.is(kmem_cache_in_use(cpu.memory, MAPPING_CACHE), 0);
  });
});

for (const kind of ['frames', 'xaNodes', 'tables'] as const) {
  test(`no ${kind} left: the access fails, and works when there are some again`, () => {
    withCpu({}, ({ cpu }) => {
      map(cpu);
      const giveBack = hog(cpu, kind, 0);
      assert.is(userWrite(cpu, X as Vpn, 1), 4, 'out of memory');
      giveBack();
      write(cpu, X, 2);
      assert.is(read(cpu, X), 2);
    });
  });
}

test.run();

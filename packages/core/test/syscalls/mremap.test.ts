/** Moving and growing: what becomes of areas, contents and books, and the cases in which one record becomes another's. */
import type { MmId, VmaId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { anonVmaRoot, avcAnonVma } from '@faultlab/core/mm/anon_vma';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { locked_vm, mmTree } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { vma_anon_vma, vma_avc_head, vma_avc_tail } from '@faultlab/core/mm/vm_area_struct';
import { policyByName } from '@faultlab/core/policy/policies';
import { sys_mlock } from '@faultlab/core/syscalls/mlock';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { hog } from '../fixtures/hog.ts';
import { checkLayout, layoutText, mappedText } from '../fixtures/layout.ts';
import { BASE, RWSEM_6_18, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/mremap');

const X = BASE;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const MOVE = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED;
const KEEP = mman.MREMAP_MAYMOVE | mman.MREMAP_DONTUNMAP;

const map = (cpu: Cpu, start: number, pages: number, flags = 0): number =>
  sys_mmap(cpu, start, pages, RW, mman.MAP_FIXED | mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | flags, NO_MAPPING, 0);
const write = (cpu: Cpu, page: number, value: number): void => assert.is(userWrite(cpu, page as Vpn, value), 0);
function read(cpu: Cpu, page: number): number {
  assert.is(userRead(cpu, page as Vpn), 0);
  return cpu.value;
}
const areaAt = (cpu: Cpu, mm: MmId, page: number): VmaId => mas_walk(cpu, mmTree(cpu.memory, mm), page as Vpn);

for (const policy of [policyByName('linux-6.18'), RWSEM_6_18]) {
  test(`${policy.vmaLock}: a move into the gap between the area below and itself makes one area of the three`, () => {
    withCpu({ policy }, ({ cpu, mm }) => {
      map(cpu, X, 10);
      map(cpu, X + 20, 10);
      assert.is(sys_mremap(cpu, X + 20, 10, 10, MOVE, X + 10), X + 10);
      assert.is(layoutText(cpu, mm, X), '0-20 rw-p');
      checkLayout(cpu, mm);
    });
  });
}

test('a move next to itself of memory that nobody wrote grows and is cut', () => {
  withCpu({}, ({ cpu, mm }) => {
    map(cpu, X, 10);
    assert.is(sys_mremap(cpu, X, 10, 10, MOVE, X + 10), X + 10);
    assert.is(layoutText(cpu, mm, X), '10-20 rw-p');
    assert.is(sys_mremap(cpu, X + 10, 10, 10, MOVE, X), X);
    assert.is(layoutText(cpu, mm, X), '0-10 rw-p');
    checkLayout(cpu, mm);
  });
});

test('growing in place closes the gap to the area above', () => {
  withCpu({}, ({ cpu, mm }) => {
    map(cpu, X, 10);
    map(cpu, X + 20, 10);
    assert.is(sys_mremap(cpu, X, 10, 20, 0, 0), X);
    assert.is(layoutText(cpu, mm, X), '0-30 rw-p');
  });
});

test("growing in place, in a child that has its parent's pages: the area itself grows, not the one above", () => {
  withCpu({}, (one) => {
    const { cpu } = one;
    map(cpu, X, 10);
    map(cpu, X + 20, 10);
    write(cpu, X, 7);
    const child = one.fork() as MmId;
    switch_mm(cpu, child);
    assert.is(sys_mremap(cpu, X, 10, 20, 0, 0), X);
    assert.is(layoutText(cpu, child, X), '0-20 rw-p, 20-30 rw-p');
    checkLayout(cpu, child);
    assert.is(read(cpu, X), 7);
  });
});

test('several areas move at once, with their holes, over what is there', () => {
  withCpu({}, ({ cpu, mm }) => {
    map(cpu, X, 4);
    map(cpu, X + 6, 2);
    write(cpu, X + 1, 11);
    write(cpu, X + 7, 17);
    map(cpu, X + 100, 8);
    write(cpu, X + 105, 5);
    assert.is(sys_mremap(cpu, X, 8, 8, MOVE, X + 100), X + 100);
    assert.equal([read(cpu, X + 101), read(cpu, X + 107), read(cpu, X + 105)], [11, 17, 5], 'a hole leaves what is there');
    assert.is(mappedText(cpu, mm, X, X + 8), '........');
    checkLayout(cpu, mm);
  });
});

test('keeping the old place of a part in the middle, at a fixed place, moves it once', () => {
  withCpu({}, ({ cpu, mm }) => {
    map(cpu, X, 8);
    for (let page = 0; page < 8; page++) write(cpu, X + page, page + 1);
    assert.is(sys_mremap(cpu, X + 2, 4, 4, MOVE | mman.MREMAP_DONTUNMAP, X + 100), X + 100);
    assert.is(layoutText(cpu, mm, X), '0-8 rw-p, 100-104 rw-p');
    assert.equal(
      [1, 2, 3, 6, 7].map((page) => read(cpu, X + page)),
      [2, 0, 0, 7, 8],
    );
    assert.equal(
      [0, 3].map((page) => read(cpu, X + 100 + page)),
      [3, 6],
    );
    checkLayout(cpu, mm);
  });
});

test('keeping the old place takes the lock along', () => {
  withCpu({}, ({ cpu, mm }) => {
    map(cpu, X, 8);
    sys_mlock(cpu, X, 8);
    assert.ok(sys_mremap(cpu, X, 8, 8, KEEP, 0) > 0);
    assert.is(locked_vm(cpu.memory, mm), 8);
    checkLayout(cpu, mm);
  });
});

test('growing a locked area fills the new part', () => {
  withCpu({}, ({ cpu, mm }) => {
    map(cpu, X, 4, mman.MAP_LOCKED);
    assert.is(sys_mremap(cpu, X, 4, 6, 0, 0), X);
    assert.is(mappedText(cpu, mm, X, X + 6), 'AAAAAA');
    checkLayout(cpu, mm);
  });
});

test('a move that runs out of page tables half-way leaves everything where it was, and the books right', () => {
  withCpu({}, ({ cpu, mm }) => {
    map(cpu, X + 508, 8);
    for (let page = 508; page < 516; page++) write(cpu, X + page, page);
    const giveBack = hog(cpu, 'tables', 1);
    assert.is(sys_mremap(cpu, X + 508, 8, 8, MOVE, X + 4 * 512 + 508), -12);
    giveBack();
    assert.is(layoutText(cpu, mm, X), '508-516 rw-p');
    assert.equal(
      [508, 511, 512, 515].map((page) => read(cpu, X + page)),
      [508, 511, 512, 515],
    );
    checkLayout(cpu, mm);
  });
});

test('no memory to cut the old area: the move is done, and the old area stays, empty', () => {
  withCpu({}, ({ cpu, mm }) => {
    map(cpu, X, 8);
    write(cpu, X + 3, 7);
    const giveBack = hog(cpu, 'vmas', 1);
    assert.is(sys_mremap(cpu, X + 2, 4, 4, MOVE, X + 100), X + 100);
    giveBack();
    assert.equal([read(cpu, X + 101), read(cpu, X + 3)], [7, 0]);
    assert.is(layoutText(cpu, mm, X), '0-8 rw-p, 100-104 rw-p');
    checkLayout(cpu, mm);
  });
});

test("an area's links run from its own anon_vma to the root of the family, in every generation and after a cut", () => {
  withCpu({}, (one) => {
    const { cpu } = one;
    const m = cpu.memory;
    map(cpu, X, 8);
    write(cpu, X, 1);
    const check = (mm: MmId, page: number): void => {
      const vma = areaAt(cpu, mm, page);
      const own = vma_anon_vma(m, vma);
      assert.is(avcAnonVma(m, vma_avc_head(m, vma)), own);
      assert.is(avcAnonVma(m, vma_avc_tail(m, vma)), anonVmaRoot(m, own));
    };
    const child = one.fork() as MmId;
    switch_mm(cpu, child);
    write(cpu, X + 1, 1);
    const grandchild = one.fork() as MmId;
    switch_mm(cpu, grandchild);
    write(cpu, X + 2, 1);
    check(child, X);
    check(grandchild, X);
    assert.is(sys_mremap(cpu, X + 4, 2, 2, MOVE, X + 100), X + 100);
    for (const page of [0, 6, 100]) check(grandchild, X + page);
    one.exit(child);
    check(grandchild, X);
  });
});

test.run();

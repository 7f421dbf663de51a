/** Where a mapping goes that asks for no place, or for one that is taken. */
import { NO_MAPPING } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { mmap_base, set_mmap_base } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { assert, suite } from '@faultlab/test-support';
import { mappedText } from '../fixtures/layout.ts';
import { BASE, type OneCpu, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/get_unmapped_area');

const ANON = mman.MAP_PRIVATE | mman.MAP_ANONYMOUS;
const TOP = BASE + 0x1000;

/** Protections differ, so that neighbours stay apart. */
const map = (cpu: Cpu, hint: number, pages: number, flags = 0, prot = 3): number =>
  sys_mmap(cpu, hint, pages, prot, ANON | flags, NO_MAPPING, 0) - TOP;

function withTop(body: (one: OneCpu) => void): void {
  withCpu({}, (one) => {
    set_mmap_base(one.cpu.memory, one.mm, TOP);
    body(one);
  });
}

test('the highest place below mmap_base, and then the highest below that', () => {
  withTop(({ cpu }) => {
    assert.is(map(cpu, 0, 4), -4);
    assert.is(map(cpu, 0, 2, 0, 1), -6);
    assert.is(map(cpu, 0, 1), -7);
  });
});

test('the highest hole that is large enough', () => {
  withTop(({ cpu }) => {
    map(cpu, TOP - 2, 1, mman.MAP_FIXED);
    map(cpu, TOP - 6, 1, mman.MAP_FIXED);
    assert.is(map(cpu, 0, 2, 0, 1), -4);
    assert.is(map(cpu, 0, 2, 0, 1), -8);
    assert.is(map(cpu, 0, 1, 0, 1), -1);
    assert.is(map(cpu, 0, 1, 0, 1), -5);
  });
});

test('the wish, if that is free, and a place of its own if not', () => {
  withTop(({ cpu }) => {
    assert.is(map(cpu, TOP - 100, 4), -100);
    assert.is(map(cpu, TOP - 98, 4, 0, 1), -4);
    assert.is(map(cpu, 3, 1, 0, 1), -5, 'below the lowest page');
    assert.is(map(cpu, TOP - 200, 4, mman.MAP_FIXED_NOREPLACE), -200);
  });
});

test('not into the gap below a stack', () => {
  withTop(({ cpu }) => {
    map(cpu, TOP - 300, 300, mman.MAP_FIXED | mman.MAP_GROWSDOWN);
    assert.is(map(cpu, 0, 4), -300 - mman.STACK_GUARD_GAP - 4);
    assert.is(map(cpu, TOP - 310, 4, 0, 1), -300 - mman.STACK_GUARD_GAP - 8, 'a wish within the gap');
  });
});

test('above mmap_base when there is no room below', () => {
  withCpu({}, ({ cpu, mm }) => {
    set_mmap_base(cpu.memory, mm, mman.MMAP_MIN_VPN + 4);
    assert.is(sys_mmap(cpu, 0, 4, 3, ANON, NO_MAPPING, 0), mman.MMAP_MIN_VPN);
    assert.is(sys_mmap(cpu, 0, 4, 1, ANON, NO_MAPPING, 0), mmap_base(cpu.memory, mm));
  });
});

test('MAP_POPULATE and MAP_LOCKED fill the pages at once, what may not be read stays empty', () => {
  withCpu({}, ({ cpu, mm }) => {
    for (const [flags, prot, expected] of [
      [mman.MAP_POPULATE, 3, 'AAA'],
      [mman.MAP_LOCKED, 3, 'AAA'],
      [mman.MAP_POPULATE, 1, 'AAA'],
      [mman.MAP_POPULATE, 0, '...'],
      [mman.MAP_POPULATE | mman.MAP_NONBLOCK, 3, '...'],
      [0, 3, '...'],
    ] as const) {
      sys_mmap(cpu, BASE, 3, prot, ANON | mman.MAP_FIXED | flags, NO_MAPPING, 0);
      assert.is(mappedText(cpu, mm, BASE, BASE + 3), expected, `flags ${flags}, prot ${prot}`);
    }
  });
});

test.run();

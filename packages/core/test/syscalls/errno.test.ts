/** What each system call answers when it must refuse, and that a refusal leaves the layout as it was. */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import { errnoName } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import {
  set_max_map_count,
  set_mm_brk,
  set_rlimit_as,
  set_rlimit_data,
  set_rlimit_memlock,
  set_rlimit_stack,
  set_start_brk,
} from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { sys_brk } from '@faultlab/core/syscalls/brk';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mlock, sys_munlock } from '@faultlab/core/syscalls/mlock';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { kernelRead, kernelWrite, processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { checkLayout, layoutText } from '../fixtures/layout.ts';
import { BASE, type OneCpu, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/errno');

const X = BASE;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const RO = mman.PROT_READ;
const ANON = mman.MAP_PRIVATE | mman.MAP_ANONYMOUS;
const FIXED = ANON | mman.MAP_FIXED;
const MOVE = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED;
const KEEP = mman.MREMAP_MAYMOVE | mman.MREMAP_DONTUNMAP;
const HEAP = BASE + 0x2000;
const END = mman.TASK_SIZE_VPN;

type Setup = (one: OneCpu) => void;
type Call = (cpu: Cpu) => number;
/** Name, what is there besides the area of 8 pages, the call, what it says, and the layout afterwards if it changes. */
type Case = readonly [name: string, setup: Setup | null, call: Call, says: string, layout?: string];

const BEFORE = '0-8 rw-p';
const limit =
  (set: typeof set_rlimit_as, value: number): Setup =>
  ({ cpu, mm }) =>
    set(cpu.memory, mm, value);
const map = (cpu: Cpu, start: number, pages: number, prot = RW, flags = 0): number =>
  sys_mmap(cpu, start, pages, prot, FIXED | flags, NO_MAPPING, 0);
const also =
  (start: number, pages: number, prot = RW, flags = 0): Setup =>
  ({ cpu }) =>
    void map(cpu, start, pages, prot, flags);
const both =
  (...setups: readonly Setup[]): Setup =>
  (one) => {
    for (const setup of setups) setup(one);
  };

const MMAP: readonly Case[] = [
  ['no pages', null, (cpu) => map(cpu, X, 0), 'EINVAL'],
  ['neither private nor shared', null, (cpu) => sys_mmap(cpu, X, 1, RW, mman.MAP_ANONYMOUS | mman.MAP_FIXED, NO_MAPPING, 0), 'EINVAL'],
  ['no file and not anonymous', null, (cpu) => sys_mmap(cpu, X, 1, RW, mman.MAP_PRIVATE | mman.MAP_FIXED, NO_MAPPING, 0), 'EINVAL'],
  [
    'a shared stack',
    null,
    (cpu) => sys_mmap(cpu, X, 1, RW, mman.MAP_SHARED | mman.MAP_FIXED | mman.MAP_GROWSDOWN, 1 as MappingId, 0),
    'EINVAL',
  ],
  ['below the lowest page', null, (cpu) => map(cpu, mman.MMAP_MIN_VPN - 1, 1), 'EPERM'],
  ['a negative place', null, (cpu) => map(cpu, -7, 1), 'ENOMEM'],
  ['beyond the end of user space', null, (cpu) => map(cpu, END - 1, 2), 'ENOMEM'],
  ['more than there is', null, (cpu) => sys_mmap(cpu, 0, END, RW, ANON, NO_MAPPING, 0), 'ENOMEM'],
  ['no replacing, and something is there', null, (cpu) => map(cpu, X + 7, 2, RW, mman.MAP_FIXED_NOREPLACE), 'EEXIST'],
  ['the address space is full', limit(set_rlimit_as, 10), (cpu) => map(cpu, X + 20, 3), 'ENOMEM'],
  ['the address space is full, but it replaces', limit(set_rlimit_as, 10), (cpu) => map(cpu, X + 4, 6), 'ok', '0-10 rw-p'],
  ['data is full', limit(set_rlimit_data, 10), (cpu) => map(cpu, X + 20, 3), 'ENOMEM'],
  ['data is full, but it is not data', limit(set_rlimit_data, 8), (cpu) => map(cpu, X + 20, 3, RO), 'ok', '0-8 rw-p, 20-23 r--p'],
  ['nothing may be locked', limit(set_rlimit_memlock, 0), (cpu) => map(cpu, X, 1, RW, mman.MAP_LOCKED), 'EPERM'],
  ['too much would be locked', limit(set_rlimit_memlock, 2), (cpu) => map(cpu, X, 3, RW, mman.MAP_LOCKED), 'EAGAIN'],
  ['too many areas', limit(set_max_map_count, 0), (cpu) => map(cpu, X + 20, 1), 'ENOMEM'],
  ['a hole in an area, and no area left', limit(set_max_map_count, 1), (cpu) => map(cpu, X + 2, 2, RO), 'ENOMEM'],
];

const MUNMAP: readonly Case[] = [
  ['no pages', null, (cpu) => sys_munmap(cpu, X, 0), 'EINVAL'],
  ['a negative place', null, (cpu) => sys_munmap(cpu, -1, 1), 'EINVAL'],
  ['beyond the end', null, (cpu) => sys_munmap(cpu, END - 1, 2), 'EINVAL'],
  ['nothing there', null, (cpu) => sys_munmap(cpu, X + 100, 5), 'ok', BEFORE],
  ['a hole, and no area left', limit(set_max_map_count, 1), (cpu) => sys_munmap(cpu, X + 2, 2), 'ENOMEM'],
  ['an end, and no area left', limit(set_max_map_count, 1), (cpu) => sys_munmap(cpu, X + 4, 4), 'ok', '0-4 rw-p'],
];

const MPROTECT: readonly Case[] = [
  ['no pages', null, (cpu) => sys_mprotect(cpu, X + 100, 0, RO), 'ok', BEFORE],
  ['nothing there', null, (cpu) => sys_mprotect(cpu, X + 100, 1, RO), 'ENOMEM'],
  ['a hole at the start', null, (cpu) => sys_mprotect(cpu, X - 1, 4, RO), 'ENOMEM'],
  ['a hole at the end: what comes before it is changed', null, (cpu) => sys_mprotect(cpu, X + 4, 8, RO), 'ENOMEM', '0-4 rw-p, 4-8 r--p'],
  ['a part, and no area left', limit(set_max_map_count, 1), (cpu) => sys_mprotect(cpu, X + 4, 4, RO), 'ENOMEM'],
  [
    'data would be too much',
    both(also(X + 8, 8, RO), limit(set_rlimit_data, 8)),
    (cpu) => sys_mprotect(cpu, X + 8, 8, RW),
    'ENOMEM',
    '0-8 rw-p, 8-16 r--p',
  ],
  [
    'the address space is full, which this does not change',
    both(also(X + 20, 4, RO), limit(set_rlimit_as, 12)),
    (cpu) => sys_mprotect(cpu, X + 20, 4, RW),
    'ok',
    '0-8 rw-p, 20-24 rw-p',
  ],
];

const MREMAP: readonly Case[] = [
  ['unknown flags', null, (cpu) => sys_mremap(cpu, X, 8, 8, 8, 0), 'EINVAL'],
  ['no pages', null, (cpu) => sys_mremap(cpu, X, 8, 0, mman.MREMAP_MAYMOVE, 0), 'EINVAL'],
  ['to a place without leave to move', null, (cpu) => sys_mremap(cpu, X, 8, 8, mman.MREMAP_FIXED, X + 100), 'EINVAL'],
  ['from nothing', null, (cpu) => sys_mremap(cpu, X, 0, 8, mman.MREMAP_MAYMOVE, 0), 'EINVAL'],
  ['nothing there', null, (cpu) => sys_mremap(cpu, X + 100, 1, 2, mman.MREMAP_MAYMOVE, 0), 'EFAULT'],
  ['nothing there to shrink', null, (cpu) => sys_mremap(cpu, X + 100, 2, 1, 0, 0), 'EFAULT'],
  ['grows beyond its area', null, (cpu) => sys_mremap(cpu, X, 9, 12, mman.MREMAP_MAYMOVE, 0), 'EFAULT'],
  ['to a place that overlaps', null, (cpu) => sys_mremap(cpu, X, 8, 8, MOVE, X + 4), 'EINVAL'],
  ['below the lowest page', null, (cpu) => sys_mremap(cpu, X, 8, 9, MOVE, 0), 'EPERM'],
  ['beyond the end', null, (cpu) => sys_mremap(cpu, X, 8, 9, MOVE, END - 4), 'EINVAL'],
  ['no room, and it may not move', also(X + 9, 1), (cpu) => sys_mremap(cpu, X, 8, 10, 0, 0), 'ENOMEM', '0-8 rw-p, 9-10 rw-p'],
  ['a part in the middle cannot grow in place', null, (cpu) => sys_mremap(cpu, X, 4, 6, 0, 0), 'ENOMEM'],
  ['the address space is full', limit(set_rlimit_as, 9), (cpu) => sys_mremap(cpu, X, 8, 10, 0, 0), 'ENOMEM'],
  ['data is full', limit(set_rlimit_data, 9), (cpu) => sys_mremap(cpu, X, 8, 10, 0, 0), 'ENOMEM'],
  [
    'too much would be locked',
    both(({ cpu }) => void sys_mlock(cpu, X, 8), limit(set_rlimit_memlock, 9)),
    (cpu) => sys_mremap(cpu, X, 8, 10, 0, 0),
    'EAGAIN',
  ],
  ['too many areas', limit(set_max_map_count, 4), (cpu) => sys_mremap(cpu, X, 8, 8, MOVE, X + 100), 'ENOMEM'],
  ['keeps the old place and changes the size', null, (cpu) => sys_mremap(cpu, X, 8, 4, KEEP, 0), 'EINVAL'],
  ['keeps the old place, and both do not fit', limit(set_rlimit_as, 15), (cpu) => sys_mremap(cpu, X, 8, 8, KEEP, 0), 'ENOMEM'],
  ['keeps the old places of two areas', also(X + 8, 8, RO), (cpu) => sys_mremap(cpu, X, 16, 16, KEEP, 0), 'EFAULT', '0-8 rw-p, 8-16 r--p'],
  [
    'shrinks two areas to another place',
    also(X + 8, 8, RO),
    (cpu) => sys_mremap(cpu, X, 16, 12, MOVE, X + 100),
    'EFAULT',
    '0-8 rw-p, 8-16 r--p',
  ],
];

const MADVISE: readonly Case[] = [
  ['unknown advice', null, (cpu) => sys_madvise(cpu, X, 1, 77), 'EINVAL'],
  ['a hole in what is not a file', null, (cpu) => sys_madvise(cpu, X, 1, mman.MADV_REMOVE), 'EINVAL'],
  ['pages that are not there may go to swap', null, (cpu) => sys_madvise(cpu, X, 1, mman.MADV_PAGEOUT), 'ok', BEFORE],
  ['a negative place', null, (cpu) => sys_madvise(cpu, -1, 1, mman.MADV_NORMAL), 'EINVAL'],
  ['no pages', null, (cpu) => sys_madvise(cpu, X + 100, 0, mman.MADV_DONTNEED), 'ok', BEFORE],
  ['nothing there', null, (cpu) => sys_madvise(cpu, X + 100, 1, mman.MADV_DONTNEED), 'ENOMEM'],
  ['a hole: the rest is done', null, (cpu) => sys_madvise(cpu, X + 4, 8, mman.MADV_RANDOM), 'ENOMEM', '0-4 rw-p, 4-8 rw-p'],
  [
    'locked pages are not thrown away',
    ({ cpu }) => void sys_mlock(cpu, X, 8),
    (cpu) => sys_madvise(cpu, X, 8, mman.MADV_DONTNEED),
    'EINVAL',
  ],
  ['a part, and no area left', limit(set_max_map_count, 1), (cpu) => sys_madvise(cpu, X, 4, mman.MADV_RANDOM), 'EAGAIN'],
  ['fills a hole', null, (cpu) => sys_madvise(cpu, X + 4, 8, mman.MADV_POPULATE_READ), 'ENOMEM'],
  ['writes what may not be written', also(X, 8, RO), (cpu) => sys_madvise(cpu, X, 8, mman.MADV_POPULATE_WRITE), 'EINVAL', '0-8 r--p'],
  ['reads what may not be read', also(X, 8, 0), (cpu) => sys_madvise(cpu, X, 8, mman.MADV_POPULATE_READ), 'EINVAL', '0-8 ---p'],
];

const MLOCK: readonly Case[] = [
  ['no pages', null, (cpu) => sys_mlock(cpu, X + 100, 0), 'ok', BEFORE],
  ['nothing may be locked', limit(set_rlimit_memlock, 0), (cpu) => sys_mlock(cpu, X, 1), 'EPERM'],
  ['too much', limit(set_rlimit_memlock, 7), (cpu) => sys_mlock(cpu, X, 8), 'ENOMEM'],
  [
    'what is locked already does not count twice',
    both(({ cpu }) => void sys_mlock(cpu, X, 6), limit(set_rlimit_memlock, 8)),
    (cpu) => sys_mlock(cpu, X, 8),
    'ok',
    BEFORE,
  ],
  ['a hole: what comes before it is locked', null, (cpu) => sys_mlock(cpu, X + 4, 8), 'ENOMEM', '0-4 rw-p, 4-8 rw-p'],
  ['pages that cannot be filled', also(X, 8, 0), (cpu) => sys_mlock(cpu, X, 8), 'ENOMEM', '0-8 ---p'],
  ['unlocks nothing', null, (cpu) => sys_munlock(cpu, X + 100, 1), 'ENOMEM'],
];

const heap: Setup = ({ cpu, mm }) => {
  set_start_brk(cpu.memory, mm, HEAP);
  set_mm_brk(cpu.memory, mm, HEAP);
};
/** The break that results, as its distance from the start of the heap, made to look like an errno when it is not what was asked for. */
const brk =
  (pages: number): Call =>
  (cpu) =>
    sys_brk(cpu, HEAP + pages) === HEAP + pages ? 0 : -12;
const BRK: readonly Case[] = [
  ['below the heap', heap, brk(-1), 'ENOMEM'],
  ['grows', heap, brk(4), 'ok', `${BEFORE}, 8192-8196 rw-p`],
  ['data is full', both(heap, limit(set_rlimit_data, 11)), brk(12), 'ENOMEM'],
  ['the address space is full', both(heap, limit(set_rlimit_as, 10)), brk(3), 'ENOMEM'],
  ['one page must stay free above it', both(heap, also(HEAP + 4, 1)), brk(4), 'ENOMEM', `${BEFORE}, 8196-8197 rw-p`],
  [
    'a stack above keeps its distance',
    both(heap, also(HEAP + 300, 1, RW, mman.MAP_GROWSDOWN)),
    brk(44),
    'ENOMEM',
    `${BEFORE}, 8492-8493 rw-p`,
  ],
];

const access =
  (page: number, write: boolean): Call =>
  (cpu) =>
    write ? userWrite(cpu, page as Vpn, 1) : userRead(cpu, page as Vpn);
const KERNEL: readonly Case[] = [
  ['copy from nothing', null, (cpu) => kernelRead(cpu, (X + 100) as Vpn), 'EFAULT'],
  ['copy to what may not be written', also(X, 8, RO), (cpu) => kernelWrite(cpu, X as Vpn, 1), 'EFAULT', '0-8 r--p'],
  ['read of another process from nothing', null, (cpu) => processVmRead(cpu, cpu.mm, (X + 100) as Vpn), 'EFAULT'],
  [
    'read of another process below a stack does not grow it',
    also(X + 100, 1, RW, mman.MAP_GROWSDOWN),
    (cpu) => processVmRead(cpu, cpu.mm, (X + 99) as Vpn),
    'EFAULT',
    `${BEFORE}, 100-101 rw-p`,
  ],
  ['write of what may not be written', also(X, 8, RO), (cpu) => processVmWrite(cpu, cpu.mm, X as Vpn, 1), 'EFAULT', '0-8 r--p'],
];
const STACK: readonly Case[] = [
  [
    'grows, and its locked pages are counted',
    also(X + 600, 2, RW, mman.MAP_GROWSDOWN | mman.MAP_LOCKED),
    access(X + 590, true),
    'ok',
    `${BEFORE}, 590-602 rw-p`,
  ],
  [
    'is as large as it may be',
    both(also(X + 600, 2, RW, mman.MAP_GROWSDOWN), limit(set_rlimit_stack, 11)),
    access(X + 590, true),
    'SEGV_MAPERR',
    `${BEFORE}, 600-602 rw-p`,
  ],
  [
    'the address space is full',
    both(also(X + 600, 2, RW, mman.MAP_GROWSDOWN), limit(set_rlimit_as, 19)),
    access(X + 590, true),
    'SEGV_MAPERR',
    `${BEFORE}, 600-602 rw-p`,
  ],
  [
    'too much would be locked',
    both(also(X + 600, 2, RW, mman.MAP_GROWSDOWN | mman.MAP_LOCKED), limit(set_rlimit_memlock, 11)),
    access(X + 590, true),
    'SEGV_MAPERR',
    `${BEFORE}, 600-602 rw-p`,
  ],
  [
    'keeps its distance from the area below',
    also(X + 600, 2, RW, mman.MAP_GROWSDOWN),
    access(X + 263, true),
    'SEGV_MAPERR',
    `${BEFORE}, 600-602 rw-p`,
  ],
  ['and may come as near as that', also(X + 600, 2, RW, mman.MAP_GROWSDOWN), access(X + 264, true), 'ok', `${BEFORE}, 264-602 rw-p`],
];

const said = (result: number): string =>
  result > 0 && result < ACCESS_NAMES.length ? (ACCESS_NAMES[result] as string) : errnoName(result);

function check(cases: readonly Case[], called: string): void {
  for (const [name, setup, call, says, layout] of cases) {
    withCpu({}, (one) => {
      const { cpu, mm } = one;
      map(cpu, X, 8);
      setup?.(one);
      const before = layoutText(cpu, mm, X);
      const where = `${called}: ${name}`;
      assert.is(said(call(cpu)), says, where);
      assert.is(layoutText(cpu, mm, X), layout ?? before, where);
      checkLayout(cpu, mm);
    });
  }
}

for (const [called, cases] of Object.entries({
  mmap: MMAP,
  munmap: MUNMAP,
  mprotect: MPROTECT,
  mremap: MREMAP,
  madvise: MADVISE,
  mlock: MLOCK,
  brk: BRK,
})) {
  test(`${called} refuses what the kernel refuses, with its errno`, () => check(cases, called));
}
test('the kernel and other processes get EFAULT where a program would get a signal', () => check(KERNEL, 'access'));
test('a stack grows within its limits', () => check(STACK, 'stack'));

test.run();

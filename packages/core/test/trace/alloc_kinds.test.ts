/**
 * Every kind of thing that the model allocates can fail to be there, at every place that asks for it, and nothing is lost then: withReclaim()
 * looks at the end whether all of it came back.
 */
import { type MmId, NO_MAPPING, NO_MM, type Vpn } from '@faultlab/core/base/brand';
import { ENOMEM } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { serveQueued } from '@faultlab/core/io/block_device';
import { closeFile } from '@faultlab/core/io/file';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { createFile, FILE_DISK } from '@faultlab/core/mm/address_space';
import { lru_add_drain } from '@faultlab/core/mm/folio_add_lru';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { CACHE_NAMES } from '@faultlab/core/slab/caches';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import { readCounters } from '@faultlab/core/trace/counters';
import { ALLOC_CHARGE, ALLOC_FRAME, ALLOC_SWAP_SLOT, allocFromPool, Injector } from '@faultlab/core/trace/injector';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { DISK } from '../fixtures/disk.ts';
import { withReclaim } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('trace/alloc_kinds');
const RW = mman.PROT_READ | mman.PROT_WRITE;
const ANON = mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_FIXED;
const PAGES = 70;

const KINDS: ReadonlyMap<string, number> = new Map([
  ['frame', ALLOC_FRAME],
  ['charge', ALLOC_CHARGE],
  ['swap slot', ALLOC_SWAP_SLOT],
  ...CACHE_NAMES.map((name, pool) => [name, allocFromPool(pool)] as const),
]);

/** Asks for one of everything at least. Whatever is not to be had is done without; nothing stays behind. */
function useEverything(cpu: Cpu): void {
  const space = mm_alloc(cpu);
  if (space !== NO_MM) mmput(cpu, space);
  const ctx = sys_userfaultfd(cpu);
  assert.ok(ctx > 0 || ctx === ENOMEM);
  if (ctx > 0) userfaultfd_release(cpu, ctx as Parameters<typeof userfaultfd_release>[1]);
  const file = createFile(cpu, { pages: PAGES, kind: FILE_DISK, device: DISK });
  if (file !== NO_MAPPING) {
    for (const page of [0, PAGES - 1]) assert.ok([1, ENOMEM].includes(sys_read(cpu, file, page)), `read of page ${page}`);
    expect(sys_mmap(cpu, BASE + 512, 4, RW, mman.MAP_PRIVATE | mman.MAP_FIXED, file, 0), [BASE + 512, ENOMEM]);
    userRead(cpu, (BASE + 512) as Vpn);
    userWrite(cpu, (BASE + 513) as Vpn, 3);
  }
  expect(sys_mmap(cpu, BASE, 8, RW, ANON, NO_MAPPING, 0), [BASE, ENOMEM]);
  for (let page = 0; page < 8; page++) userWrite(cpu, (BASE + page) as Vpn, 5);
  expect(sys_munmap(cpu, BASE + 3, 1), [0, ENOMEM]);
  const child = sys_fork(cpu);
  assert.ok(child > 0 || child === ENOMEM);
  userWrite(cpu, (BASE + 1) as Vpn, 6);
  if (child > 0) mmput(cpu, child as MmId);
  lru_add_drain(cpu);
  expect(sys_madvise(cpu, BASE, 3, mman.MADV_PAGEOUT), [0, ENOMEM]);
  for (let page = 0; page < 3; page++) userRead(cpu, (BASE + page) as Vpn);
  expect(sys_munmap(cpu, BASE, 1024), [0, ENOMEM]);
  // A munmap that lacked memory for its own split is made good by one that needs none.
  while (sys_munmap(cpu, BASE, 1024) === ENOMEM);
  if (file !== NO_MAPPING) closeFile(cpu, file);
}

const expect = (result: number, legal: readonly number[]): void => assert.ok(legal.includes(result), `${result}, not one of ${legal}`);
const arm = (cpu: Cpu, of: number, only: number): void =>
  void Object.assign(cpu, { inject: new Injector(cpu, { seed: 1, allocFail: { rate: 0, of, only } }) });
const disarm = (cpu: Cpu): void => void Object.assign(cpu, { inject: null });

for (const [kind, of] of KINDS) {
  test(`${kind}: each allocation fails once, in turn, and nothing is lost`, () => {
    withReclaim({ pages: 8, swap: true }, ({ cpu }) => {
      let failures = 0;
      for (let only = 1; ; only++) {
        arm(cpu, of, only);
        useEverything(cpu);
        disarm(cpu);
        while (serveQueued(cpu, DISK));
        rcu_barrier(cpu);
        lru_add_drain(cpu);
        assert.equal(sweep(cpu), [], `number ${only}`);
        const { injected_alloc_fail } = readCounters(cpu.memory);
        if (injected_alloc_fail === failures) break;
        failures = injected_alloc_fail;
      }
      assert.ok(failures > 0, 'nobody asked for one');
    });
  });
}

test.run();

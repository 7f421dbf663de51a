/**
 * Pages that move, or are given to a device, while the swap cache knows them; and reclaim, which must leave a device's pages alone. One thread;
 * requests of the swap device are served when the CPU would sleep.
 */
import type { MappingId, MmId, Pfn, SwapId, SwpEntry, Vpn } from '@faultlab/core/base/brand';
import { EBUSY, ENOENT } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { serveQueued, setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, type DeviceId } from '@faultlab/core/io/device_record';
import { makeDeviceExclusive } from '@faultlab/core/mm/device_exclusive';
import { folioTest, PG_device, PG_swapcache } from '@faultlab/core/mm/folio';
import { poisonPage, unpoison_memory } from '@faultlab/core/mm/memory_failure';
import { migrateToDevice } from '@faultlab/core/mm/migrate_device';
import * as mman from '@faultlab/core/mm/mman';
import { is_swap_pte, pte_to_swp_entry } from '@faultlab/core/mm/swap_entry';
import { swapInUse, swapon, swapTableFolio } from '@faultlab/core/mm/swapfile';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_move_pages } from '@faultlab/core/syscalls/move_pages';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { pteOf } from '../fixtures/disk.ts';
import { pfnAt, readsAs } from '../fixtures/special.ts';
import { BASE, type OneCpu, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/special_swap');

const X = BASE;
const WRITTEN = 7;
const AREA: SwapId = 0 as SwapId;
const DISK: DeviceId = 0 as DeviceId;

/** Four written pages at X and a swap area. */
function withSwapArea(body: (one: OneCpu) => void): void {
  withCpu({ size: { devices: 1, deviceRequests: 16, deviceBlocks: 64 } }, (one) => {
    const { cpu } = one;
    setupDevice(cpu.memory, DISK, { queueDepth: 16, contents: CONTENTS_BLANK, server: 'idle' });
    swapon(cpu.memory, AREA, { device: DISK });
    cpu.idle = () => serveQueued(cpu, DISK);
    const flags = mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_FIXED;
    assert.is(sys_mmap(cpu, X, 4, mman.PROT_READ | mman.PROT_WRITE, flags, 0 as MappingId, 0), X);
    for (let page = X; page < X + 4; page++) assert.is(userWrite(cpu, page as Vpn, WRITTEN), 0);
    body(one);
    sys_munmap(cpu, X, 4);
    squeezeAll(cpu);
    for (const child of one.children()) one.exit(child);
    squeezeAll(cpu);
    assert.is(swapInUse(cpu.memory, AREA), 0);
  });
}

/** Page X has been in swap, is mapped again, and the swap cache still has it. @param meanwhile runs while it is in swap. @returns its entry */
function swapCached(cpu: Cpu, meanwhile: () => void = () => {}): SwpEntry {
  assert.is(sys_madvise(cpu, X, 1, mman.MADV_PAGEOUT), 0);
  const pte = pteOf(cpu, X) as never;
  assert.ok(is_swap_pte(pte));
  const entry = pte_to_swp_entry(pte);
  meanwhile();
  assert.is(readsAs(cpu, X), WRITTEN);
  return entry;
}

test('a page that the swap cache knows moves, and the swap cache knows the new one', () => {
  withSwapArea((one) => {
    const { cpu } = one;
    const entry = swapCached(cpu, () => one.fork());
    const pfn = pfnAt(cpu, X);
    assert.is(swapTableFolio(cpu, entry), pfn);
    assert.is(sys_move_pages(cpu, X), 0);
    const fresh = pfnAt(cpu, X);
    assert.is.not(fresh, pfn);
    assert.is(swapTableFolio(cpu, entry), fresh);
    assert.equal([folioTest(cpu, pfn, PG_swapcache), folioTest(cpu, fresh, PG_swapcache)], [false, true]);
    assert.is(readsAs(cpu, X), WRITTEN);
    assert.is(userWrite(cpu, X as Vpn, 8), 0);
  });
});

test('a page with a slot that nobody else needs goes to a device, and the slot is free', () => {
  withSwapArea(({ cpu, mm }) => {
    swapCached(cpu);
    assert.is(migrateToDevice(cpu, mm, X as Vpn), 0);
    assert.is(swapInUse(cpu.memory, AREA), 0);
    assert.is(readsAs(cpu, X), WRITTEN);
  });
});

test('a page with a slot that a relative needs does not go to a device', () => {
  withSwapArea((one) => {
    const { cpu, mm } = one;
    const entry = swapCached(cpu, () => one.fork());
    const child = one.children()[0] as MmId;
    switch_mm(cpu, child);
    assert.is(pte_to_swp_entry(pteOf(cpu, X) as never), entry);
    switch_mm(cpu, mm);
    assert.is(migrateToDevice(cpu, mm, X as Vpn), EBUSY);
    assert.is(sys_move_pages(cpu, X), 0);
    switch_mm(cpu, child);
    assert.is(readsAs(cpu, X), WRITTEN);
    switch_mm(cpu, mm);
    assert.is(readsAs(cpu, X), WRITTEN);
  });
});

test('reclaim leaves the pages of devices and broken pages alone', () => {
  withSwapArea(({ cpu, mm }) => {
    assert.is(migrateToDevice(cpu, mm, X as Vpn), 0);
    assert.is(makeDeviceExclusive(cpu, mm, (X + 1) as Vpn), 0);
    const broken: Pfn = pfnAt(cpu, X + 2);
    assert.is(poisonPage(cpu, mm, (X + 2) as Vpn), 0);
    const before = [pfnAt(cpu, X), pfnAt(cpu, X + 1)];
    squeezeAll(cpu);
    assert.equal([pfnAt(cpu, X), pfnAt(cpu, X + 1)], before);
    assert.ok(folioTest(cpu, before[0] as Pfn, PG_device));
    assert.ok(is_swap_pte(pteOf(cpu, X + 3) as never));
    assert.is(sys_move_pages(cpu, X + 1), ENOENT);
    assert.equal(
      [X, X + 1, X + 2, X + 3].map((page) => readsAs(cpu, page)),
      [WRITTEN, WRITTEN, 'BUS_MCEERR_AR', WRITTEN],
    );
    assert.is(userWrite(cpu, (X + 1) as Vpn, 9), 0);
    assert.is(sys_munmap(cpu, X, 4), 0);
    unpoison_memory(cpu, broken);
  });
});

test.run();

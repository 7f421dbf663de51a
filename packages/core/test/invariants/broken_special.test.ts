/** The invariants of entries that are neither empty nor present are broken here, by changing words of a machine at rest, and seen. */
import type { Pfn, Pte, SwpEntry, Vpn } from '@faultlab/core/base/brand';
import { createFile, FILE_DRIVER } from '@faultlab/core/mm/address_space';
import { makeDeviceExclusive } from '@faultlab/core/mm/device_exclusive';
import { dma_resv_trylock, dmaFenceBegin } from '@faultlab/core/mm/dma_fence';
import { folio_get, folioClear, folioSet, PG_anon_exclusive, PG_device, PG_hwpoison } from '@faultlab/core/mm/folio';
import { poisonPage } from '@faultlab/core/mm/memory_failure';
import { migrateToDevice } from '@faultlab/core/mm/migrate_device';
import { MADV_GUARD_INSTALL } from '@faultlab/core/mm/mman';
import { freeLists } from '@faultlab/core/mm/page_alloc';
import { PTE_PROTNONE } from '@faultlab/core/mm/pte';
import {
  make_device_exclusive_entry,
  make_hwpoison_entry,
  make_pte_marker,
  make_readable_device_private_entry,
  make_readable_migration_entry,
  pfn_swap_entry_to_page,
  pte_to_swp_entry,
  swp_entry_to_pte,
} from '@faultlab/core/mm/swap_entry';
import { taskNumaWork } from '@faultlab/core/syscalls/change_prot_numa';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { add, assertSound, entryAt, found, frameAt, put, RW, type World, world } from './world.ts';

const test = suite('invariants/broken_special');

/** Two pages that no relative shares. */
const DEVICE = RW + 1;
const ALONE = RW + 2;

/** A sound machine with a page in a device, one that a device has for itself, a broken one and a guard page. */
function special(): World {
  const machine = world();
  const { cpu, parent } = machine;
  assert.is(migrateToDevice(cpu, parent, DEVICE as Vpn), 0);
  assert.is(makeDeviceExclusive(cpu, parent, ALONE as Vpn), 0);
  assert.is(userWrite(cpu, (RW + 20) as Vpn, 1), 0);
  assert.is(poisonPage(cpu, parent, (RW + 20) as Vpn), 0);
  assert.is(sys_madvise(cpu, RW + 24, 2, MADV_GUARD_INSTALL), 0);
  assertSound(cpu);
  return machine;
}

function breaks(id: string, what: string, message: RegExp, harm: (machine: World) => void): void {
  test(`${id}: ${what}`, () => {
    const machine = special();
    harm(machine);
    const lines = found(machine.cpu);
    if (!lines.some((line) => line.startsWith(`${id} `) && message.test(line))) {
      throw new Error(`no ${id} with ${message} among:\n  ${lines.join('\n  ')}`);
    }
  });
}

const setEntry = (w: World, page: number, entry: SwpEntry): void => put(w, entryAt(w, w.parent, page), swp_entry_to_pte(entry));
const deviceFrame = (w: World): Pfn => pfn_swap_entry_to_page(pte_to_swp_entry(w.m.words[entryAt(w, w.parent, DEVICE)] as Pte));

breaks('I32', 'a page is being moved at rest', /says that frame \d+ is being moved/, (w) =>
  setEntry(w, RW + 3, make_readable_migration_entry(frameAt(w, w.parent, RW + 3))),
);
breaks(
  'I32',
  'a page of a device is not one',
  /says that frame \d+ is memory of a device/,
  (w) => void folioClear(w.cpu, deviceFrame(w), PG_device),
);
breaks(
  'I32',
  'an entry maps memory that only a device can reach',
  /maps frame \d+, which no CPU may read/,
  (w) => void folioSet(w.cpu, frameAt(w, w.parent, RW + 3), PG_device),
);
breaks('I32', 'an entry maps a broken frame', /maps frame \d+, which no CPU may read/, (w) => {
  const pfn = frameAt(w, w.parent, RW + 3);
  folioSet(w.cpu, pfn, PG_hwpoison);
  folio_get(w.cpu, pfn);
});
breaks('I32', 'a page that a device has for itself is memory of the device', /says that a device has frame \d+ for itself/, (w) =>
  setEntry(w, DEVICE, make_device_exclusive_entry(deviceFrame(w))),
);
breaks('I32', 'a good frame is called broken', /says that frame \d+ is broken, but it is not/, (w) =>
  setEntry(w, RW + 3, make_hwpoison_entry(frameAt(w, w.parent, RW + 3))),
);
breaks('I16', 'a page of a device is in a free frame', /stands for frame \d+, which is free/, (w) =>
  setEntry(w, DEVICE, make_readable_device_private_entry(freeLists(w.m)[0]?.head as Pfn)),
);
breaks(
  'I25',
  'a device may write to a page that others see',
  /lets a device write to frame \d+/,
  (w) => void folioClear(w.cpu, deviceFrame(w), PG_anon_exclusive),
);
breaks('I23', 'a marker marks nothing', /is a marker that marks nothing known: 0/, (w) =>
  put(w, entryAt(w, w.parent, RW + 24), make_pte_marker(0)),
);
breaks('I23', 'a NUMA hint may be written', /does not go with the protection rw-p/, (w) => {
  assert.is(taskNumaWork(w.cpu, RW + 3, 1), 1);
  assertSound(w.cpu);
  add(w, entryAt(w, w.parent, RW + 3), 2);
});
breaks('I23', 'a page is closed, and nobody has asked for NUMA hints', /does not go with the protection rw-p/, (w) => {
  const entry = entryAt(w, w.parent, RW + 9);
  put(w, entry, ((w.m.words[entry] as number) & ~1) | PTE_PROTNONE);
});
breaks('I17', 'a page of a device counts a mapping too few', /counts 1 mappings, but 0 entries lead to it/, (w) =>
  put(w, entryAt(w, w.parent, DEVICE), 0),
);
breaks(
  'Q05',
  'the reference to a broken frame is gone',
  /has 1 references, but 2 users/,
  (w) => void folioSet(w.cpu, frameAt(w, w.parent, RW + 3), PG_hwpoison),
);
breaks('Q05', 'a page of a device has a reference too many', /has 2 references, but 1 users/, (w) => folio_get(w.cpu, deviceFrame(w)));
breaks('Q03', 'a device is at work on a buffer', /file \d+: the device is at work on it/, (w) => {
  dmaFenceBegin(w.cpu, createFile(w.cpu, { pages: 1, kind: FILE_DRIVER }));
});

breaks('Q10', 'somebody has reserved a buffer', /file \d+: somebody has reserved the buffer/, (w) => {
  assert.ok(dma_resv_trylock(w.cpu, createFile(w.cpu, { pages: 1, kind: FILE_DRIVER })));
});

test.run();

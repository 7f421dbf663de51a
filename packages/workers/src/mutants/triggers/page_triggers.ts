/** Triggers of anonymous pages: first touches, swap, entries of other kinds. Next: trigger_scenarios.ts */
import { MADV_DONTNEED, MADV_PAGEOUT } from '@faultlab/core/mm/mman';
import { UFFDIO_REGISTER_MODE_WP } from '@faultlab/core/syscalls/userfaultfd_register';
import type { DeviceOptions } from '../../device/device_options.ts';
import { op } from '../../program/op.ts';
import type { Scenario } from '../../scenario.ts';
import { mapRegion } from '../../scenarios/layout.ts';
import type { SwapOptions } from '../../swap_options.ts';
import { hot, kept, trigger } from './trigger.ts';

const PAGES = 2;
const HOT = hot(0, PAGES);
const PAGE = HOT.start;
const discard = op('madvise', PAGE, 1, MADV_DONTNEED);
const out = op('madvise', PAGE, 1, MADV_PAGEOUT);

const MEMORY: readonly DeviceOptions[] = [{ contents: 'blank' }];
const SLOW: readonly DeviceOptions[] = [{ latency: 'fixed:50us', contents: 'blank' }];
const SWAP: readonly SwapOptions[] = [{ pages: 16, device: 0 }];
/** One slot, so that whatever goes out goes there. */
const ONE_SLOT: readonly SwapOptions[] = [{ pages: 1, device: 0, synchronous: true }];

export const firstTouch: Scenario = trigger({
  name: 'first_touch',
  story: 'two CPUs touch the same fresh page',
  regions: [HOT],
  lists: [[op('write', PAGE), discard], [op('write', PAGE)]],
});

export const swapDiscard: Scenario = trigger({
  name: 'swap_discard',
  story: 'a page comes back from swap while it is thrown away',
  devices: MEMORY,
  swaps: SWAP,
  regions: [HOT],
  lists: [[op('write', PAGE), out, op('read', PAGE)], [discard]],
});

export const swapReuse: Scenario = trigger({
  name: 'swap_reuse',
  story: 'a page comes back from the only slot of a swap in memory, is written and goes out to it again, under a reader',
  devices: MEMORY,
  swaps: ONE_SLOT,
  regions: (cpu) => [kept(0, PAGES, 0, cpu)],
  before: [[op('write', PAGE), out]],
  lists: [[op('write', PAGE), out, op('read', PAGE)], [op('read', PAGE)]],
});

export const swapHandler: Scenario = trigger({
  name: 'swap_handler',
  story: 'a page in swap that a handler has write-protected is written',
  helper: true,
  devices: SLOW,
  swaps: SWAP,
  regions: [{ ...HOT, layout: 'fixed', discards: 'mine' }],
  setup: [mapRegion(HOT), op('uffd_open'), op('uffd_register', PAGE, PAGES, UFFDIO_REGISTER_MODE_WP)],
  lists: [[op('write', PAGE), op('uffd_wp', PAGE, 1, 1), out, op('write', PAGE)], [op('uffd_serve')]],
});

export const pinnedOut: Scenario = trigger({
  name: 'pinned_out',
  story: 'a page goes to swap while somebody who has pinned it writes to it',
  devices: MEMORY,
  swaps: SWAP,
  regions: (cpu) => [kept(0, PAGES, 1, cpu)],
  lists: [[out], [op('write', PAGE), op('remote_write', PAGE), op('read', PAGE)]],
});

export const numaHint: Scenario = trigger({
  name: 'numa_hint',
  story: 'a page with a NUMA hint is read while it is thrown away',
  regions: [HOT],
  lists: [[op('write', PAGE), op('numa_hints', PAGE, 1), op('read', PAGE)], [discard]],
});

export const movePage: Scenario = trigger({
  name: 'move_page',
  story: 'a page moves to another frame while it is read',
  regions: [HOT],
  lists: [[op('write', PAGE), op('move_pages', PAGE, 1)], [op('read', PAGE)]],
});

export const devicePage: Scenario = trigger({
  name: 'device_page',
  story: 'a page comes back from the memory of a device',
  regions: [HOT],
  lists: [[op('write', PAGE), op('to_device', PAGE, 1), op('write', PAGE)]],
});

export const PAGE_SCENARIOS: readonly Scenario[] = [
  firstTouch,
  swapDiscard,
  swapReuse,
  swapHandler,
  pinnedOut,
  numaHint,
  movePage,
  devicePage,
];

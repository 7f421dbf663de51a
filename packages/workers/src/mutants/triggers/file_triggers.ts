/** Triggers of files: their pages are read, written, thrown out of memory and cut off under those who fault on them. Next: page_triggers.ts */
import { MADV_DONTNEED, MREMAP_FIXED, MREMAP_MAYMOVE } from '@faultlab/core/mm/mman';
import { SIGKILL } from '@faultlab/core/sched/task';
import type { DeviceOptions } from '../../device/device_options.ts';
import { op } from '../../program/op.ts';
import type { Scenario } from '../../scenario.ts';
import { mapRegion } from '../../scenarios/layout.ts';
import { coldFile, hot, hotFile, trigger, viewOf } from './trigger.ts';

const PAGES = 2;
const SHARED = viewOf(0, PAGES, true);
const PRIVATE = viewOf(0, PAGES, false);
const PAGE = SHARED.start;
const FILE = { use: hotFile(PAGES), spec: coldFile(PAGES) };
/** One device that takes its time, and one that takes none. */
const SLOW: readonly DeviceOptions[] = [{ latency: 'fixed:50us' }];
const QUICK: readonly DeviceOptions[] = [{}];
/** Each fault maps its own page. */
const ONE_BY_ONE = { faultAroundPages: 1 };
const forget = op('madvise', PAGE, PAGES, MADV_DONTNEED);
const small = { file: FILE, sysctl: ONE_BY_ONE };

export const coldRead: Scenario = trigger({
  ...small,
  name: 'cold_read',
  story: 'a page of a file is read from its device by two CPUs, and thrown out again',
  devices: SLOW,
  regions: [SHARED],
  lists: [
    [op('read', PAGE), forget, op('evict', 0)],
    [op('read', PAGE), op('fread', 0, 0)],
  ],
});

export const killedRead: Scenario = trigger({
  ...small,
  name: 'killed_read',
  story: 'the kernel reads a page of a file for a task that is killed meanwhile',
  devices: SLOW,
  regions: [SHARED],
  signals: true,
  lists: [[op('kernel_read', PAGE), forget, op('evict', 0)], [op('signal', 0, SIGKILL)]],
});

export const punch: Scenario = trigger({
  ...small,
  name: 'punch',
  story: 'a hole is punched where a page of a file is being mapped',
  devices: QUICK,
  regions: [SHARED],
  lists: [[op('fread', 0, 0), op('read', PAGE)], [op('punch', 0, 0, 1)]],
});

export const shorten: Scenario = trigger({
  ...small,
  name: 'shorten',
  story: 'a file is cut off where a page of it is being mapped',
  devices: QUICK,
  regions: [SHARED],
  lists: [[op('truncate', 0, 0)], [op('read', PAGE)]],
});

export const shortenCopies: Scenario = trigger({
  ...small,
  name: 'shorten_copies',
  story: 'a file gets shorter while a private copy of a page of it is made',
  devices: QUICK,
  regions: [PRIVATE],
  lists: [[op('fread', 0, 0), op('truncate', 0, 0), op('truncate', 0, PAGES)], [op('write', PAGE)]],
});

export const readTwice: Scenario = trigger({
  ...small,
  name: 'read_twice',
  story: 'two CPUs map the same page of a file, and throw the mapping away',
  devices: QUICK,
  regions: [SHARED],
  lists: [[op('fread', 0, 0), op('read', PAGE), forget], [op('read', PAGE)]],
});

export const evict: Scenario = trigger({
  ...small,
  name: 'evict',
  story: 'a page of a file is thrown out of memory while it is being mapped',
  devices: QUICK,
  regions: [SHARED],
  lists: [[op('fread', 0, 0), op('read', PAGE), forget], [op('evict', 0)]],
});

export const throttledWrite: Scenario = trigger({
  ...small,
  name: 'throttled_write',
  story: 'pages of a file are written until their writers are held up, and another CPU writes them back',
  devices: QUICK,
  sysctl: { ...ONE_BY_ONE, dirtyBackground: 0, dirtyThresh: 1 },
  helper: true,
  regions: [SHARED],
  lists: [[op('write', PAGE), op('remote_write', PAGE + 1), op('remote_write', PAGE)], [op('writeback')]],
});

export const folioQueue: Scenario = trigger({
  ...small,
  name: 'folio_queue',
  story: 'three CPUs want the lock of one page of a file',
  devices: QUICK,
  regions: [SHARED],
  lists: [
    [op('fread', 0, 0), op('read', PAGE), forget],
    [op('read', PAGE), forget],
    [op('write', PAGE), forget],
  ],
});

export const killedInFolioQueue: Scenario = trigger({
  name: 'killed_in_folio_queue',
  story: 'tasks wait for a page that is being read, and are killed when it is there',
  file: { use: hotFile(PAGES), spec: { ...coldFile(PAGES), raPages: PAGES } },
  sysctl: ONE_BY_ONE,
  devices: [{ latency: 'fixed:200us' }],
  regions: [SHARED],
  signals: true,
  lists: [[op('read', PAGE)], [op('read', PAGE)], [op('yield'), op('signal', 0, SIGKILL), op('signal', 1, SIGKILL)]],
});

const ELSEWHERE = hot(1, PAGES).start;
export const moveFile: Scenario = trigger({
  ...small,
  name: 'move_file',
  story: 'a mapping of a file moves while the file is cut off and its last page is written',
  devices: QUICK,
  regions: [SHARED, { ...viewOf(1, PAGES, true), initial: 'unmapped' }],
  setup: [mapRegion(SHARED)],
  lists: [
    [
      op('mremap', PAGE, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, ELSEWHERE),
      op('mremap', ELSEWHERE, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED, PAGE),
    ],
    [op('write', PAGE + 1), op('write', PAGE + 1), op('write', PAGE + 1)],
    [op('truncate', 0, 1), op('truncate', 0, PAGES)],
  ],
});

export const FILE_SCENARIOS: readonly Scenario[] = [
  coldRead,
  killedRead,
  punch,
  shorten,
  shortenCopies,
  readTwice,
  evict,
  throttledWrite,
  folioQueue,
  killedInFolioQueue,
  moveFile,
];

/** Triggers of areas: they come and go, change, grow and move under those who fault in them. Next: file_triggers.ts */
import {
  MADV_DONTNEED,
  MADV_REMOVE,
  MAP_GROWSDOWN,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_NONE,
} from '@faultlab/core/mm/mman';
import { UFFD_FEATURE_EVENT_REMOVE } from '@faultlab/core/mm/userfaultfd_ctx';
import { SIGKILL } from '@faultlab/core/sched/task';
import { UFFDIO_REGISTER_MODE_MISSING } from '@faultlab/core/syscalls/userfaultfd_register';
import { op } from '../../program/op.ts';
import type { Region } from '../../program/program.ts';
import { PROCESS_BASE } from '../../program/rounds.ts';
import type { Scenario } from '../../scenario.ts';
import { mapFlags, mapRegion, PRIVATE_FIXED, READ_ONLY, READ_WRITE } from '../../scenarios/layout.ts';
import { memoryFile } from '../../scenarios/storage.ts';
import { hot, hotFile, kept, trigger, viewOf } from './trigger.ts';

const PAGES = 2;
const HOT = hot(0, PAGES);
const OTHER = hot(1, PAGES);
const PAGE = HOT.start;
const touches = [op('write', PAGE), op('read', PAGE + 1)];
const touchesFresh = [op('write', PAGE), op('madvise', PAGE, PAGES, MADV_DONTNEED)];

/** Where a process of its own has its pages, too: the same address in two address spaces. */
const TWICE: Region = { ...HOT, name: 'where processes are', start: PROCESS_BASE };

const SHARED: Region = { ...HOT, sharedAnonymous: true };
const VIEW = viewOf(0, PAGES, true);
const STACK: Region = { ...hot(0, 8), name: 'stack' };
const STACK_TOP = STACK.start + STACK.pages - 1;
const growsDown = PRIVATE_FIXED | MAP_GROWSDOWN;

export const mapUnmap: Scenario = trigger({
  name: 'map_unmap',
  story: 'an area comes and goes under its users',
  regions: [HOT],
  lists: [[op('munmap', PAGE, PAGES), op('mmap', PAGE, PAGES, READ_WRITE, PRIVATE_FIXED)], touches],
});

export const protect: Scenario = trigger({
  name: 'protect',
  story: 'an area is protected and released under those who touch fresh pages of it',
  regions: [HOT],
  lists: [[READ_ONLY, READ_WRITE, PROT_NONE, READ_WRITE].map((prot) => op('mprotect', PAGE, PAGES, prot)), touchesFresh],
});

export const protectOnce: Scenario = trigger({
  name: 'protect_once',
  story: 'an area is protected while fresh pages of it are read',
  regions: [HOT],
  lists: [
    [op('mprotect', PAGE, PAGES, READ_ONLY), op('mprotect', PAGE, PAGES, READ_WRITE)],
    [op('read', PAGE), op('madvise', PAGE, PAGES, MADV_DONTNEED)],
  ],
});

export const moveKeep: Scenario = trigger({
  name: 'move_keep',
  story: 'the pages of an area move away, and it stays without them, under its writers',
  regions: [HOT, OTHER],
  lists: [
    [
      op('write', PAGE),
      op('mremap', PAGE, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, OTHER.start),
      op('munmap', OTHER.start, PAGES),
    ],
    [op('write', PAGE + 1)],
  ],
});

export const mapFile: Scenario = trigger({
  name: 'map_file',
  story: 'a file is mapped while others read it',
  regions: [VIEW],
  file: { use: { ...hotFile(PAGES), initial: 'zero' }, spec: memoryFile(PAGES) },
  lists: [[mapRegion(VIEW)], [op('read', PAGE)]],
});

export const freshArea: Scenario = trigger({
  name: 'fresh_area',
  story: 'first pages of new areas are written while other areas are mapped and unmapped',
  regions: [HOT, OTHER],
  lists: [
    [mapRegion(HOT), op('write', PAGE)],
    [op('munmap', OTHER.start, PAGES), mapRegion(OTHER)],
  ],
});

export const reusedSlot: Scenario = trigger({
  name: 'reused_slot',
  story: 'an area is unmapped, and its slot is an area of another process at the same address, while its pages are read',
  regions: [TWICE],
  lists: [[op('munmap', TWICE.start, PAGES), op('memory_hog', PAGES), mapRegion(TWICE)], [op('read', TWICE.start)]],
});

export const split: Scenario = trigger({
  name: 'split',
  story: 'an area is split while its upper half is written for the first time',
  regions: [HOT],
  lists: [[op('mprotect', PAGE, 1, READ_ONLY), op('mprotect', PAGE, PAGES, READ_WRITE)], [op('write', PAGE + 1)]],
});

export const stack: Scenario = trigger({
  name: 'stack',
  story: 'a stack grows under two writers, and is replaced',
  regions: [STACK],
  setup: [op('mmap', STACK_TOP, 1, READ_WRITE, growsDown)],
  lists: [
    [op('write', STACK_TOP - 3), op('munmap', STACK.start, STACK.pages), op('mmap', STACK_TOP, 1, READ_WRITE, growsDown)],
    [op('write', STACK_TOP - 2), op('read', STACK_TOP - 5)],
  ],
});

export const forkWrite: Scenario = trigger({
  name: 'fork_write',
  story: 'two CPUs write to a page that a child shares',
  regions: [HOT],
  lists: [[op('write', PAGE), op('fork_give', 0), op('write', PAGE)], [op('write', PAGE), op('read', PAGE)], [op('adopt')]],
});

export const forkOnce: Scenario = trigger({
  name: 'fork_once',
  story: 'a process is copied while another CPU writes to it',
  regions: (cpu) => [kept(0, PAGES, 0, cpu), kept(1, PAGES, 1, cpu)],
  lists: [
    [op('write', PAGE), op('fork_check', PAGE, PAGES)],
    [op('write', OTHER.start), op('fork_check', OTHER.start, PAGES)],
  ],
});

export const deniedWrite: Scenario = trigger({
  name: 'denied_write',
  story: 'a write that an area forbids, and a writer of the area',
  regions: [HOT],
  setup: [mapRegion(HOT, READ_ONLY)],
  lists: [[op('mprotect', PAGE, PAGES, READ_ONLY)], [op('write', PAGE)]],
});

export const killedWriters: Scenario = trigger({
  name: 'killed_writers',
  story: 'fatal signals arrive in the queue of mmap_lock',
  regions: [HOT, OTHER],
  signals: true,
  lists: [
    [op('mprotect', PAGE, PAGES, READ_ONLY), op('mprotect', PAGE, PAGES, READ_WRITE)],
    [op('mprotect', OTHER.start, PAGES, READ_ONLY), op('mprotect', OTHER.start, PAGES, READ_WRITE)],
    [op('signal', 0, SIGKILL), op('munmap', OTHER.start, PAGES), op('signal', 1, SIGKILL), mapRegion(OTHER)],
  ],
});

export const closedUserfault: Scenario = trigger({
  name: 'closed_userfault',
  story: 'a userfaultfd is closed while the kernel reads a page that it is to bring',
  regions: [{ ...HOT, fresh: 'either' }],
  setup: [mapRegion(HOT), op('uffd_open'), op('uffd_register', PAGE, PAGES, UFFDIO_REGISTER_MODE_MISSING)],
  lists: [[op('uffd_close')], [op('remote_read', PAGE)]],
});

export const toldDiscard: Scenario = trigger({
  name: 'told_discard',
  story: 'pages are thrown away, which a handler is told, while their area is replaced',
  regions: [{ ...HOT, fresh: 'either' }],
  helper: true,
  setup: [mapRegion(HOT), op('uffd_open', UFFD_FEATURE_EVENT_REMOVE), op('uffd_register', PAGE, PAGES, UFFDIO_REGISTER_MODE_MISSING)],
  lists: [
    [op('madvise', PAGE, PAGES, MADV_DONTNEED)],
    [op('munmap', PAGE, PAGES), op('mmap', OTHER.start, PAGES, READ_WRITE, PRIVATE_FIXED)],
    [op('uffd_serve')],
  ],
});

export const removeUnmap: Scenario = trigger({
  name: 'remove_unmap',
  story: 'pages of shared memory are removed while its only area is unmapped',
  regions: [SHARED],
  lists: [
    [op('write', PAGE), op('madvise', PAGE, PAGES, MADV_REMOVE)],
    [op('munmap', PAGE, PAGES), op('mmap', PAGE, PAGES, READ_WRITE, mapFlags(SHARED))],
  ],
});

export const AREA_SCENARIOS: readonly Scenario[] = [
  mapUnmap,
  protect,
  protectOnce,
  moveKeep,
  mapFile,
  freshArea,
  reusedSlot,
  split,
  stack,
  forkWrite,
  forkOnce,
  deniedWrite,
  killedWriters,
  closedUserfault,
  toldDiscard,
  removeUnmap,
];

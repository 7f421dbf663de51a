/**
 * Where everything lies in the arena: a machine size becomes a table of regions, disjoint and aligned to cache lines.
 * The same size gives the same table on every thread, so only the buffer and the size cross thread boundaries.
 * Next: memory/shared_memory.ts
 */
import { assert } from '../base/assert.ts';
import { roundUp } from '../base/bits.ts';
import type { MachineSize } from './limits.ts';
import { PERCPU_WORDS } from './percpu.ts';
import { LINE_WORDS } from './shared_words.ts';

/** Changes whenever a region or a record changes shape; memories of different versions refuse to mix. */
export const LAYOUT_VERSION = 6;
export const LAYOUT_MAGIC = 0x6661756c;

/** Words per record of each region. Record modules assert that their fields fit. */
export const RECORD_WORDS = {
  header: 256,
  caches: 32,
  percpu: 832,
  tlb: 512,
  traceEntry: 8,
  mm: 128,
  vma: 64,
  node: 112,
  table: 16,
  ptes: 512,
  folio: 16,
  folioWait: 16,
  anonVma: 32,
  avc: 16,
  mapping: 64,
  xaNode: 80,
  swapInfo: 64,
  swapSlot: 2,
  userfaultfd: 64,
  memcg: 128,
  device: 64,
  request: 64,
  block: 4,
  slot: 2,
  lockOrder: 1024,
} as const;

assert(RECORD_WORDS.percpu === PERCPU_WORDS, 'layout: the per-CPU block has another size in memory/percpu.ts');

export const CACHES_MAX = 16;
/** Memory cgroups of a machine, the root included. */
export const MEMCGS_MAX = 16;
/** Queues for waiters on folios. Folios share them by hash. @kernel PAGE_WAIT_TABLE_SIZE */
export const FOLIO_WAIT_QUEUES = 256;

export interface Region {
  /** First word. */
  readonly base: number;
  readonly words: number;
}

export type RegionName =
  | 'header'
  | 'percpu'
  | 'caches'
  | 'slots'
  | 'tlb'
  | 'trace'
  | 'mms'
  | 'vmas'
  | 'nodes'
  | 'tables'
  | 'ptes'
  | 'folios'
  | 'folioWaits'
  | 'anonVmas'
  | 'avcs'
  | 'mappings'
  | 'xaNodes'
  | 'swapInfos'
  | 'swapSlots'
  | 'userfaultfds'
  | 'memcgs'
  | 'devices'
  | 'requests'
  | 'blocks'
  | 'lockOrder'
  | 'user';

export interface Layout {
  readonly size: MachineSize;
  readonly regions: Readonly<Record<RegionName, Region>>;
  readonly words: number;
  /** Slots of tree nodes, derived from the number of areas. */
  readonly nodes: number;
}

/**
 * A tree node that is not the root holds at least 10 entries, and every address space has a root. On top of that come the nodes that CPUs
 * set aside before a store, and the replaced ones that wait for a grace period.
 */
const nodesFor = (size: MachineSize): number => (size.vmas === 0 ? 0 : Math.ceil(size.vmas / 8) + size.mms * 2 + size.cpus * 256 + 1024);

/** Slots are numbered from 1: slot 0 of every table means "none". */
const withNone = (count: number): number => (count === 0 ? 0 : count + 1);

/** Places of a device's table of written blocks: at most half of them are ever in use, so that a search is short. */
export const blockEntries = (size: MachineSize): number => size.deviceBlocks * 2;

export function layoutOf(size: MachineSize): Layout {
  const nodes = nodesFor(size);
  const slots = withNone(size.mms) + withNone(size.vmas) + withNone(nodes) + withNone(size.tables) + withNone(size.anonVmas);
  const moreSlots = withNone(size.avcs) + withNone(size.mappings) + withNone(size.xaNodes) + withNone(size.userfaultfds);
  const record = RECORD_WORDS;
  const wanted: readonly (readonly [RegionName, number])[] = [
    ['header', record.header],
    ['percpu', size.cpus * record.percpu],
    ['caches', CACHES_MAX * record.caches],
    ['slots', (slots + moreSlots) * record.slot],
    ['tlb', size.cpus * record.tlb],
    ['trace', size.cpus * size.traceEntries * record.traceEntry],
    ['mms', withNone(size.mms) * record.mm],
    ['vmas', withNone(size.vmas) * record.vma],
    ['nodes', withNone(nodes) * record.node],
    ['tables', withNone(size.tables) * record.table],
    ['ptes', withNone(size.tables) * record.ptes],
    ['folios', size.frames * record.folio],
    ['folioWaits', size.frames === 0 ? 0 : FOLIO_WAIT_QUEUES * record.folioWait],
    ['anonVmas', withNone(size.anonVmas) * record.anonVma],
    ['avcs', withNone(size.avcs) * record.avc],
    ['mappings', withNone(size.mappings) * record.mapping],
    ['xaNodes', withNone(size.xaNodes) * record.xaNode],
    ['swapInfos', size.swaps * record.swapInfo],
    ['swapSlots', size.swaps * size.swapSlots * record.swapSlot],
    ['userfaultfds', withNone(size.userfaultfds) * record.userfaultfd],
    ['memcgs', size.frames === 0 ? 0 : MEMCGS_MAX * record.memcg],
    ['devices', size.devices * record.device],
    ['requests', size.devices * size.deviceRequests * record.request],
    ['blocks', size.devices * blockEntries(size) * record.block],
    ['lockOrder', record.lockOrder],
    ['user', size.userWords],
  ];
  let next = 0;
  const regions: Partial<Record<RegionName, Region>> = {};
  for (const [name, words] of wanted) {
    assert(next % LINE_WORDS === 0, 'layout: a region does not start on a cache line');
    regions[name] = { base: next, words };
    next += roundUp(words, LINE_WORDS);
  }
  return { size, regions: regions as Record<RegionName, Region>, words: next, nodes };
}

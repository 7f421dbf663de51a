/**
 * Settings of the machine that a kernel has as sysctls or debug files. Written at boot, before CPUs run; read plainly afterwards.
 * @kernel mm/memory.c (fault_around_bytes), mm/page-writeback.c (vm.dirty_bytes, vm.dirty_background_bytes), mm/swap.c (vm.page-cluster)
 * @fidelity reduced: in pages, for the whole machine
 * Next: mm/vmstat.ts
 */
import type { Word } from '../base/brand.ts';
import { UsageError } from '../base/errors.ts';
import { H_LRU, H_VM } from '../memory/header.ts';
import { MEMCGS_MAX } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { checkLruGen, lruGenBits, switchLruGen } from './lru_gen.ts';
import { lruOn, MEMCG_UNLIMITED, memcgLimits, setMemcg, switchLru } from './memcg.ts';
import { oomKillerOn, switchOomKiller } from './oom_victim.ts';

const FAULT_AROUND = (H_VM + 16) as Word;
const PAGE_CLUSTER = (H_VM + 17) as Word;
const DIRTY_THRESH = (H_VM + 18) as Word;
const DIRTY_BACKGROUND = (H_VM + 19) as Word;

const DIRTY_WRITEBACK_MS = (H_VM + 20) as Word;
const DIRTY_EXPIRE_MS = (H_VM + 21) as Word;
const NUMA_MISPLACED = (H_VM + 24) as Word;
const WMARK_MIN = (H_LRU + 3) as Word;
const WMARK_LOW = (H_LRU + 1) as Word;
const WMARK_HIGH = (H_LRU + 2) as Word;

/** The cgroup that memoryMax and memoryHigh are for. */
export const SYSCTL_MEMCG = 1;

export interface VmSysctl {
  /** Pages of the aligned window that a read fault maps around, a power of two; 1 for none. @kernel fault_around_bytes, 64 KiB */
  readonly faultAroundPages: number;
  /** Swap-in reads up to 2 to this many pages at once. @kernel vm.page-cluster */
  readonly pageCluster: number;
  /** Dirty pages from which on those who dirty more must pause. @kernel vm.dirty_bytes */
  readonly dirtyThresh: number;
  /** Dirty pages from which on write-back starts by itself. @kernel vm.dirty_background_bytes */
  readonly dirtyBackground: number;
  /** The write-back thread looks so often for what is dirty for long, in milliseconds; 0: never. @kernel vm.dirty_writeback_centisecs */
  readonly dirtyWritebackMs: number;
  /** How long that is. @kernel vm.dirty_expire_centisecs */
  readonly dirtyExpireMs: number;
  /** 1: every page that gives a NUMA hint lies on the wrong node, and moves. Ours */
  readonly numaMisplaced: number;
  /** 1: pages are on lists by their age, and memory that is short is reclaimed (mm/lru.ts). Only changed while no page is in use. */
  readonly lru: number;
  /** With `lru`: pages are in generations (1), and aging walks page tables (3). @kernel /sys/kernel/mm/lru_gen/enabled */
  readonly lruGen: number;
  /** Limits of memory cgroup 1, in pages; whoever sets up address spaces puts them there. @kernel memory.max, memory.high */
  readonly memoryMax: number;
  readonly memoryHigh: number;
  /** 1: when nothing can be reclaimed, a process is killed. 0: what needs memory is told that there is none. @kernel oom_killer_disable() */
  readonly oomKiller: number;
  /**
   * Free frames: below `min` a task that needs one reclaims first; below `low` background reclaim begins, and at `high` it ends. In this order.
   * @kernel WMARK_MIN, WMARK_LOW, WMARK_HIGH
   */
  readonly watermarkMin: number;
  readonly watermarkLow: number;
  readonly watermarkHigh: number;
}

const UNLIMITED = 0x7fffffff;
export const DEFAULT_SYSCTL: VmSysctl = {
  faultAroundPages: 16,
  pageCluster: 3,
  dirtyThresh: UNLIMITED,
  dirtyBackground: UNLIMITED,
  dirtyWritebackMs: 5_000,
  dirtyExpireMs: 30_000,
  numaMisplaced: 0,
  lru: 0,
  lruGen: 0,
  memoryMax: MEMCG_UNLIMITED,
  memoryHigh: MEMCG_UNLIMITED,
  watermarkMin: 0,
  watermarkLow: 0,
  watermarkHigh: 0,
  oomKiller: 0,
};

/** @locks none: before CPUs run, or by a test that is alone. @throws UsageError for limits or marks that cannot be */
export function setSysctl(m: SharedMemory, wanted: Partial<VmSysctl>): void {
  const all = { ...readSysctl(m), ...wanted };
  checkLruGen(all.lruGen);
  const { watermarkMin: min, watermarkLow: low, watermarkHigh: high } = all;
  if (min > low || low > high) {
    throw new UsageError(
      `The watermarks are min ${min}, low ${low} and high ${high}, but each must be at least as high as the one before.`,
    );
  }
  m.words[FAULT_AROUND] = all.faultAroundPages;
  m.words[PAGE_CLUSTER] = all.pageCluster;
  m.words[DIRTY_THRESH] = all.dirtyThresh;
  m.words[DIRTY_BACKGROUND] = all.dirtyBackground;
  m.words[DIRTY_WRITEBACK_MS] = all.dirtyWritebackMs;
  m.words[DIRTY_EXPIRE_MS] = all.dirtyExpireMs;
  m.words[NUMA_MISPLACED] = all.numaMisplaced;
  m.words[WMARK_MIN] = min;
  m.words[WMARK_LOW] = low;
  m.words[WMARK_HIGH] = high;
  switchOomKiller(m, all.oomKiller !== 0);
  if (m.size.frames === 0) return;
  switchLru(m, all.lru !== 0);
  switchLruGen(m, all.lru !== 0 ? all.lruGen : 0, MEMCGS_MAX);
  setMemcg(m, SYSCTL_MEMCG, { max: all.memoryMax, high: all.memoryHigh });
}

export const min_wmark_pages = (m: SharedMemory): number => m.words[WMARK_MIN] as number;
export const low_wmark_pages = (m: SharedMemory): number => m.words[WMARK_LOW] as number;
export const high_wmark_pages = (m: SharedMemory): number => m.words[WMARK_HIGH] as number;
export const faultAroundPages = (m: SharedMemory): number => m.words[FAULT_AROUND] as number;
export const page_cluster = (m: SharedMemory): number => m.words[PAGE_CLUSTER] as number;
export const dirty_thresh = (m: SharedMemory): number => m.words[DIRTY_THRESH] as number;
/** Always below the limit that throttles. @kernel domain_dirty_limits() */
export function dirty_background(m: SharedMemory): number {
  const [limit, thresh] = [m.words[DIRTY_BACKGROUND] as number, dirty_thresh(m)];
  return limit < thresh ? limit : thresh >>> 1;
}
export const dirty_writeback_interval = (m: SharedMemory): number => m.words[DIRTY_WRITEBACK_MS] as number;
export const dirty_expire_interval = (m: SharedMemory): number => m.words[DIRTY_EXPIRE_MS] as number;
export const numaMisplaced = (m: SharedMemory): boolean => m.words[NUMA_MISPLACED] !== 0;

export const readSysctl = (m: SharedMemory): VmSysctl => ({
  faultAroundPages: faultAroundPages(m),
  pageCluster: page_cluster(m),
  dirtyThresh: dirty_thresh(m),
  dirtyBackground: m.words[DIRTY_BACKGROUND] as number,
  dirtyWritebackMs: dirty_writeback_interval(m),
  dirtyExpireMs: dirty_expire_interval(m),
  numaMisplaced: m.words[NUMA_MISPLACED] as number,
  lru: lruOn(m) ? 1 : 0,
  lruGen: lruGenBits(m),
  memoryMax: memcgLimits(m, SYSCTL_MEMCG).max,
  memoryHigh: memcgLimits(m, SYSCTL_MEMCG).high,
  watermarkMin: min_wmark_pages(m),
  watermarkLow: low_wmark_pages(m),
  watermarkHigh: high_wmark_pages(m),
  oomKiller: oomKillerOn(m) ? 1 : 0,
});

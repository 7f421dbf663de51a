/**
 * Settings of the machine that a kernel has as sysctls or debug files. Written at boot, before CPUs run; read plainly afterwards.
 * @kernel mm/memory.c (fault_around_bytes), mm/page-writeback.c (vm.dirty_bytes, vm.dirty_background_bytes), mm/swap.c (vm.page-cluster)
 * @fidelity reduced: in pages, for the whole machine
 * Next: mm/vmstat.ts
 */
import type { Word } from '../base/brand.ts';
import { H_VM } from '../memory/header.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';

const FAULT_AROUND = (H_VM + 16) as Word;
const PAGE_CLUSTER = (H_VM + 17) as Word;
const DIRTY_THRESH = (H_VM + 18) as Word;
const DIRTY_BACKGROUND = (H_VM + 19) as Word;

const NUMA_MISPLACED = (H_VM + 24) as Word;

export interface VmSysctl {
  /** Pages of the aligned window that a read fault maps around, a power of two; 1 for none. @kernel fault_around_bytes, 64 KiB */
  readonly faultAroundPages: number;
  /** Swap-in reads up to 2 to this many pages at once. @kernel vm.page-cluster */
  readonly pageCluster: number;
  /** Dirty pages from which on those who dirty more must pause. @kernel vm.dirty_bytes */
  readonly dirtyThresh: number;
  /** Dirty pages from which on write-back starts by itself. @kernel vm.dirty_background_bytes */
  readonly dirtyBackground: number;
  /** 1: every page that gives a NUMA hint lies on the wrong node, and moves. Ours */
  readonly numaMisplaced: number;
}

const UNLIMITED = 0x7fffffff;
export const DEFAULT_SYSCTL: VmSysctl = {
  faultAroundPages: 16,
  pageCluster: 3,
  dirtyThresh: UNLIMITED,
  dirtyBackground: UNLIMITED,
  numaMisplaced: 0,
};

/** @locks none: before CPUs run, or by a test that is alone */
export function setSysctl(m: SharedMemory, wanted: Partial<VmSysctl>): void {
  const { faultAroundPages, pageCluster, dirtyThresh, dirtyBackground, numaMisplaced } = { ...readSysctl(m), ...wanted };
  m.words[FAULT_AROUND] = faultAroundPages;
  m.words[PAGE_CLUSTER] = pageCluster;
  m.words[DIRTY_THRESH] = dirtyThresh;
  m.words[DIRTY_BACKGROUND] = dirtyBackground;
  m.words[NUMA_MISPLACED] = numaMisplaced;
}

export const faultAroundPages = (m: SharedMemory): number => m.words[FAULT_AROUND] as number;
export const page_cluster = (m: SharedMemory): number => m.words[PAGE_CLUSTER] as number;
export const dirty_thresh = (m: SharedMemory): number => m.words[DIRTY_THRESH] as number;
export const dirty_background = (m: SharedMemory): number => m.words[DIRTY_BACKGROUND] as number;
export const numaMisplaced = (m: SharedMemory): boolean => m.words[NUMA_MISPLACED] !== 0;

export const readSysctl = (m: SharedMemory): VmSysctl => ({
  faultAroundPages: faultAroundPages(m),
  pageCluster: page_cluster(m),
  dirtyThresh: dirty_thresh(m),
  dirtyBackground: dirty_background(m),
  numaMisplaced: m.words[NUMA_MISPLACED] as number,
});

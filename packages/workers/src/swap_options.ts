/**
 * Swap areas of a machine or of a run: the options that a caller gives, and switching one on.
 * Next: core's mm/swapfile.ts
 */
import type { SwapId } from '@faultlab/core/base/brand';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { swapon } from '@faultlab/core/mm/swapfile';

/** An area that pages are swapped out to. */
export interface SwapOptions {
  /** Pages that it can hold. */
  readonly pages: number;
  /** Number of its block device, from 0. */
  readonly device: number;
  /** Pages are read by the fault itself, without the swap cache and without others' (as zram does). */
  readonly synchronous?: boolean;
  /** Seeks are dear: one cluster for all CPUs, and neighbours in the area are read in one go. */
  readonly rotational?: boolean;
}

/** While no CPU runs. @throws UsageError when the machine has no room for it, or not the device */
export function switchOn(
  memory: SharedMemory,
  area: SwapId,
  { pages, device, synchronous = false, rotational = false }: SwapOptions,
): void {
  swapon(memory, area, { device, slots: pages + HEADER_SLOTS, synchronous, rotational });
}

/** Slot 0 holds no page. */
const HEADER_SLOTS = 1;

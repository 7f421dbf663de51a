/**
 * How large a machine is: every maximum is chosen at boot, and nothing grows afterwards. Running out is ENOMEM.
 * Next: memory/layout.ts turns a size into regions of the arena.
 */
import { UsageError } from '../base/errors.ts';

export interface MachineSize {
  /** CPUs, which are threads and tasks. */
  readonly cpus: number;
  /** Address spaces that can exist at once. */
  readonly mms: number;
  /** Areas over all address spaces. */
  readonly vmas: number;
  /** Page frames. */
  readonly frames: number;
  /** Page-table pages of all levels. */
  readonly tables: number;
  readonly anonVmas: number;
  /** Links between areas and anon_vmas. */
  readonly avcs: number;
  /** Files. */
  readonly mappings: number;
  /** Nodes of the page-cache trees, 64 slots each. */
  readonly xaNodes: number;
  /** Areas that pages can be swapped out to. */
  readonly swaps: number;
  /** Slots of each swap area; slot 0 is its header and holds no page. */
  readonly swapSlots: number;
  /** userfaultfd contexts that can exist at once. */
  readonly userfaultfds: number;
  /** Block devices. */
  readonly devices: number;
  /** Requests that each device can have outstanding. */
  readonly deviceRequests: number;
  /** Blocks of each device that can hold something else than they did at boot. */
  readonly deviceBlocks: number;
  /** Entries of each CPU's trace ring, a power of two; 0 for no trace. */
  readonly traceEntries: number;
  /** Words left to the user of the machine: programs, oracles, locks used on their own. */
  readonly userWords: number;
}

export const CPUS_MAX = 512;
export const FRAMES_MAX: number = 1 << 20;

export const DEFAULT_SIZE: MachineSize = {
  cpus: 4,
  mms: 64,
  vmas: 16384,
  frames: 32768,
  tables: 2048,
  anonVmas: 16384,
  avcs: 65536,
  mappings: 64,
  xaNodes: 1024,
  swaps: 2,
  swapSlots: 16384,
  userfaultfds: 16,
  devices: 2,
  deviceRequests: 128,
  deviceBlocks: 4096,
  traceEntries: 256,
  userWords: 65536,
};

/** A machine with no memory management at all: for a lock used on its own. */
export const LOCKS_ONLY_SIZE: MachineSize = {
  cpus: 8,
  mms: 0,
  vmas: 0,
  frames: 0,
  tables: 0,
  anonVmas: 0,
  avcs: 0,
  mappings: 0,
  xaNodes: 0,
  swaps: 0,
  swapSlots: 0,
  userfaultfds: 0,
  devices: 0,
  deviceRequests: 0,
  deviceBlocks: 0,
  traceEntries: 0,
  userWords: 1024,
};

const LARGEST: MachineSize = {
  cpus: CPUS_MAX,
  mms: 65536,
  vmas: 1 << 20,
  frames: FRAMES_MAX,
  tables: 1 << 17,
  anonVmas: 1 << 20,
  avcs: 1 << 21,
  mappings: 65536,
  xaNodes: 1 << 18,
  swaps: 8,
  swapSlots: 1 << 20,
  userfaultfds: 1024,
  devices: 16,
  deviceRequests: 4096,
  deviceBlocks: 1 << 20,
  traceEntries: 1 << 20,
  userWords: 1 << 26,
};

/** @throws UsageError naming the field, its value and its bounds */
export function checkMachineSize(size: MachineSize): void {
  for (const key of Object.keys(LARGEST) as (keyof MachineSize)[]) {
    const value = size[key];
    const least = key === 'cpus' ? 1 : 0;
    if (!Number.isInteger(value) || value < least || value > LARGEST[key]) {
      throw new UsageError(`size.${key} is ${value}, but it must be a whole number from ${least} to ${LARGEST[key]}.`);
    }
  }
  if (size.traceEntries !== 0 && (size.traceEntries & (size.traceEntries - 1)) !== 0) {
    throw new UsageError(`size.traceEntries is ${size.traceEntries}, but it must be 0 or a power of two such as 256.`);
  }
  if (size.devices > 0 && size.deviceRequests === 0) {
    throw new UsageError(`size.deviceRequests is 0, but there are ${size.devices} devices; give each at least 1 request.`);
  }
}

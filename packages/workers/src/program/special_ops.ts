/**
 * Operations that put entries of other kinds into page tables: pages on their way to another frame, in the memory of a device, for a device
 * alone, or with a NUMA hint; and the work of a device on a buffer, which its fault waits for.
 * Next: core's fault/do_nonswap_entry.ts
 */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { EAGAIN, EBUSY, EFAULT, ENOENT, ENOMEM } from '@faultlab/core/base/errno';
import { makeDeviceExclusive } from '@faultlab/core/mm/device_exclusive';
import { dma_fence_signal, dmaFenceBegin } from '@faultlab/core/mm/dma_fence';
import { migrateToDevice } from '@faultlab/core/mm/migrate_device';
import { taskNumaWork } from '@faultlab/core/syscalls/change_prot_numa';
import { sys_move_pages } from '@faultlab/core/syscalls/move_pages';
import type { Actor } from './actor.ts';
import { OP_EXCLUSIVE, OP_FENCE_WORK, OP_MOVE_PAGES, OP_NUMA_HINTS, OP_TO_DEVICE, type Op, type OpKind } from './op.ts';
import { yieldCpu } from './rounds.ts';

export const isSpecialOp = (kind: OpKind): boolean => kind >= OP_MOVE_PAGES && kind <= OP_FENCE_WORK;

/** Why a page may stay where it is: nothing is mapped there, it is of another kind, or somebody uses it. */
const STAYS: ReadonlySet<number> = new Set([ENOENT, EFAULT, EBUSY, EAGAIN, ENOMEM]);

/** @returns pages that were moved or marked, 0 for a device's work, or an error that is none of those above */
export function specialOp(actor: Actor, { kind, a, b }: Readonly<Op>): number {
  const { cpu } = actor;
  switch (kind) {
    case OP_MOVE_PAGES:
      return each(a, b, (page) => sys_move_pages(cpu, page));
    case OP_TO_DEVICE:
      return each(a, b, (page) => migrateToDevice(cpu, cpu.mm, page as Vpn));
    case OP_EXCLUSIVE:
      return each(a, b, (page) => makeDeviceExclusive(cpu, cpu.mm, page as Vpn));
    case OP_NUMA_HINTS:
      return taskNumaWork(cpu, a, b);
    default:
      return fenceWork(actor, actor.files[a] as MappingId);
  }
}

function each(at: number, pages: number, act: (page: number) => number): number {
  let done = 0;
  for (let page = at; page < at + pages; page++) {
    const result = act(page);
    if (result === 0) done++;
    else if (!STAYS.has(result)) return result;
  }
  return done;
}

/** The device works on the buffer for a while. Only one CPU gives it work. */
function fenceWork(actor: Actor, file: MappingId): number {
  dmaFenceBegin(actor.cpu, file);
  yieldCpu(actor);
  dma_fence_signal(actor.cpu, file);
  return 0;
}

/**
 * Operations on files, carried out and judged: read and write, truncation and holes, sync and eviction; and those on ranges of pages by way of
 * the page tables.
 * Next: file_shadow.ts
 */
import type { MappingId, Pfn, Vpn } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { FOLL_WRITE } from '@faultlab/core/fault/foll_flags';
import { pin_user_pages_remote } from '@faultlab/core/fault/gup';
import { unpin_user_pages_dirty_lock } from '@faultlab/core/fault/unpin_user_pages';
import { writebackStep } from '@faultlab/core/io/writeback';
import { MS_SYNC } from '@faultlab/core/mm/mman';
import { mmap_read_lock_killable, mmap_read_unlock } from '@faultlab/core/mm/mmap_lock';
import { invalidate_mapping_pages } from '@faultlab/core/mm/truncate';
import { FILE_END } from '@faultlab/core/mm/unmap_mapping';
import { SYSCTL_MEMCG } from '@faultlab/core/mm/vm_sysctl';
import { drop_caches } from '@faultlab/core/reclaim/drop_caches';
import { kswapdStep } from '@faultlab/core/reclaim/kswapd';
import { memory_high_write, memory_max_write } from '@faultlab/core/reclaim/memcg_limits';
import { sys_read, sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_fsync, sys_msync } from '@faultlab/core/syscalls/msync';
import { sys_sync } from '@faultlab/core/syscalls/sync';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, sys_fallocate, sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { process_vm_readv } from '@faultlab/core/user/process_vm_access';
import { type Actor, shadowOf } from './actor.ts';
import { valueRead } from './calls.ts';
import type { FileShadow } from './file_shadow.ts';
import {
  OP_DROP_CACHES,
  OP_EVICT,
  OP_FREAD,
  OP_FSYNC,
  OP_FWRITE,
  OP_KSWAPD,
  OP_MEMORY_HIGH,
  OP_MEMORY_MAX,
  OP_MSYNC,
  OP_PIN_RANGE,
  OP_PUNCH,
  OP_READ_RANGE,
  OP_SYNC,
  OP_TRUNCATE,
  OP_WRITEBACK,
  type Op,
  type OpKind,
} from './op.ts';
import { OUTCOME } from './page_shadow.ts';
import { publish, published } from './published.ts';
import { yieldCpu } from './rounds.ts';
import { floorOf } from './touch_page.ts';

const FIRST: OpKind = OP_FREAD;
const LAST: OpKind = OP_PIN_RANGE;
export const isFileOp = (kind: OpKind): boolean => kind >= FIRST && kind <= LAST;

/** A new content for the page that an fwrite is for. */
export const fileStampFor = (actor: Actor, { a: file, b: page }: Readonly<Op>): number =>
  (actor.fileShadows[file] as FileShadow).nextStamp(actor.cpu.id, page);

/** @returns the result of the call. @throws InvariantError when the content is wrong, or it cannot end so */
export function fileOp(actor: Actor, operation: Readonly<Op>): number {
  const { kind, a, b, c } = operation;
  const { cpu } = actor;
  switch (kind) {
    case OP_FREAD:
      return readPage(actor, a, b);
    case OP_FWRITE:
      return writePage(actor, a, b, c);
    case OP_TRUNCATE:
      return truncate(actor, a, b);
    case OP_PUNCH:
      return punch(actor, a, b, c);
    case OP_FSYNC:
      return sys_fsync(cpu, fileOf(actor, a));
    case OP_MSYNC:
      return sys_msync(cpu, a, b, MS_SYNC);
    case OP_SYNC:
      return sys_sync(cpu);
    case OP_EVICT:
      return invalidate_mapping_pages(cpu, fileOf(actor, a), 0, FILE_END);
    case OP_WRITEBACK:
      return writeBack(actor);
    case OP_KSWAPD:
      return kswapd(actor);
    case OP_MEMORY_MAX:
      memory_max_write(cpu, b || SYSCTL_MEMCG, a);
      return 0;
    case OP_MEMORY_HIGH:
      memory_high_write(cpu, b || SYSCTL_MEMCG, a);
      return 0;
    case OP_DROP_CACHES:
      return drop_caches(cpu, a);
    case OP_READ_RANGE:
      return readRange(actor, a, b);
    default:
      return pinRange(actor, a, b, c !== 0);
  }
}

const fileOf = (actor: Actor, file: number): MappingId => actor.files[file] as MappingId;

function readPage(actor: Actor, file: number, page: number): number {
  const shadow = actor.fileShadows[file] as FileShadow;
  const floor = published(actor, file, page);
  const got = sys_read(actor.cpu, fileOf(actor, file), page);
  const beyondEnd = shadow.isBeyondEnd(page);
  if (got === 1) shadow.judge(page, valueRead(actor.cpu), floor);
  if (got >= 0 && beyondEnd === (got === 1)) {
    throw new InvariantError(
      OUTCOME,
      `fread of page ${page} of file ${file} returned ${got}, but the file ends ${got === 1 ? 'before' : 'behind'} it`,
    );
  }
  return got;
}

function writePage(actor: Actor, file: number, page: number, stamp: number): number {
  const shadow = actor.fileShadows[file] as FileShadow;
  const result = sys_write(actor.cpu, fileOf(actor, file), page, stamp);
  if (result === 1) {
    shadow.wrote(page, stamp);
    publish(actor, file, page, stamp);
  } else shadow.mayHaveWritten(page);
  return result;
}

function truncate(actor: Actor, file: number, pages: number): number {
  const result = sys_ftruncate(actor.cpu, fileOf(actor, file), pages);
  if (result !== 0) actor.fileShadows[file]?.mayVanish(pages, FILE_END);
  else {
    actor.fileShadows[file]?.truncated(pages);
    for (const shadow of actor.shadows) if (shadow.region.backing?.file === file) shadow.fileTruncated(pages);
  }
  return result;
}

function punch(actor: Actor, file: number, page: number, pages: number): number {
  const result = sys_fallocate(actor.cpu, fileOf(actor, file), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page, pages);
  if (result === 0) actor.fileShadows[file]?.punched(page, pages);
  else actor.fileShadows[file]?.mayVanish(page, pages);
  return result;
}

/** A round of write-back; a pause when there is nothing to write. */
function writeBack(actor: Actor): number {
  const written = writebackStep(actor.cpu);
  if (written === 0) yieldCpu(actor);
  return written;
}

/** A round of background reclaim; a pause when enough is free. */
function kswapd(actor: Actor): number {
  const freed = kswapdStep(actor.cpu);
  if (freed === 0) yieldCpu(actor);
  return freed;
}

/** Pages of the own address space through its page tables, judged one by one. @returns pages read, or an errno */
function readRange(actor: Actor, at: number, pages: number): number {
  const floors = Array.from({ length: pages }, (_, page) => floorOf(actor, at + page));
  const stamps: number[] = [];
  const got = process_vm_readv(actor.cpu, actor.cpu.mm, at as Vpn, pages, stamps);
  for (let page = 0; page < got; page++) shadowOf(actor, at + page)?.judgeRead(at + page, stamps[page] as number, floors[page]);
  return got;
}

/** Keeps pages pinned for a while, as a driver does for its device: whatever happens to the areas, the pages stay. @returns pages, or an errno */
function pinRange(actor: Actor, at: number, pages: number, write: boolean): number {
  const { cpu } = actor;
  const pinned: Pfn[] = [];
  const killed = mmap_read_lock_killable(cpu, cpu.mm);
  if (killed !== 0) return killed;
  const lock = { locked: true };
  const got = pin_user_pages_remote(cpu, cpu.mm, at as Vpn, pages, write ? FOLL_WRITE : 0, pinned, lock);
  if (lock.locked) mmap_read_unlock(cpu, cpu.mm);
  if (got > 0) {
    yieldCpu(actor);
    unpin_user_pages_dirty_lock(cpu, pinned, write);
  }
  return got;
}

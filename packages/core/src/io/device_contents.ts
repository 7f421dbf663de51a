/**
 * What a device holds: for each block the stamp that was written last, or, where nobody has written, what a function says. Written blocks
 * are in a table of fixed size, found by open addressing; when it is full, the device is.
 * @kernel none: the medium itself
 * @fidelity reduced: a block holds one stamp; a write is never torn
 * Next: io/block_device.ts calls transfer()
 */
import { assert } from '../base/assert.ts';
import { ENOSPC } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { blockEntries, RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { readStamp, writeStamp } from '../mm/folio.ts';
import {
  D_BLOCKS_LIVE,
  D_BLOCKS_LOCK,
  D_CONTENTS,
  type DeviceId,
  deviceField,
  deviceWord,
  REQ_OP_WRITE,
  type RequestId,
  requestCount,
  requestExtent,
  requestFirst,
  requestOp,
  requestPage,
  setDeviceField,
} from './device_record.ts';

const WORDS = RECORD_WORDS.block;
/** UNUSED ends a search, FORGOTTEN does not. */
const STATE = 0;
const EXTENT = 1;
const BLOCK = 2;
const STAMP = 3;
assert(STAMP < WORDS, 'device_contents: the fields do not fit the entry');
const UNUSED = 0;
const LIVE = 1;
const FORGOTTEN = 2;
const NOT_FOUND = -1;

/**
 * Moves the data of a request, all of it or, when the device has no room left, a part. Never sleeps.
 * @returns 0 or ENOSPC
 */
export function transfer(cpu: Cpu, device: DeviceId, request: RequestId): number {
  const m = cpu.memory;
  const write = requestOp(m, device, request) === REQ_OP_WRITE;
  const extent = requestExtent(m, device, request);
  const first = requestFirst(m, device, request);
  const count = requestCount(m, device, request);
  let error = 0;
  spin_lock(cpu, deviceWord(m, device, D_BLOCKS_LOCK));
  for (let i = 0; i < count && error === 0; i++) {
    const pfn = requestPage(m, device, request, i);
    if (write) error = store(m, device, extent, first + i, readStamp(cpu, pfn));
    else writeStamp(cpu, pfn, load(cpu, device, extent, first + i));
  }
  spin_unlock(cpu, deviceWord(m, device, D_BLOCKS_LOCK));
  return error;
}

/** The stamp of one block, for checks. Never sleeps. */
export function blockStamp(cpu: Cpu, device: DeviceId, extent: number, block: number): number {
  spin_lock(cpu, deviceWord(cpu.memory, device, D_BLOCKS_LOCK));
  const stamp = load(cpu, device, extent, block);
  spin_unlock(cpu, deviceWord(cpu.memory, device, D_BLOCKS_LOCK));
  return stamp;
}

/** Forgets all writes to an extent: its file is gone. No request to it is outstanding. Never sleeps. @kernel blkdev_issue_discard() */
export function discardExtent(cpu: Cpu, device: DeviceId, extent: number): void {
  const m = cpu.memory;
  spin_lock(cpu, deviceWord(m, device, D_BLOCKS_LOCK));
  let live = deviceField(m, device, D_BLOCKS_LIVE);
  const base = tableAt(m, device);
  const end = base + blockEntries(m.size) * WORDS;
  for (let entry = base; entry < end && live > 0; entry += WORDS) {
    if (m.words[entry + STATE] !== LIVE || m.words[entry + EXTENT] !== extent) continue;
    m.words[entry + STATE] = FORGOTTEN;
    live--;
  }
  // An empty table starts afresh, so that searches do not get longer and longer.
  if (live === 0) m.words.fill(0, base, end);
  setDeviceField(m, device, D_BLOCKS_LIVE, live);
  spin_unlock(cpu, deviceWord(m, device, D_BLOCKS_LOCK));
}

/**
 * Writes zeroes to the blocks [first, first + count) of an extent: all of them or none. No request to them is outstanding. Never sleeps.
 * @returns 0, or ENOSPC with nothing changed @kernel blkdev_issue_zeroout()
 */
export function zeroBlocks(cpu: Cpu, device: DeviceId, extent: number, first: number, count: number): number {
  const m = cpu.memory;
  spin_lock(cpu, deviceWord(m, device, D_BLOCKS_LOCK));
  let missing = 0;
  for (let i = 0; i < count; i++) if (find(m, device, extent, first + i, false) === NOT_FOUND) missing++;
  const fits = deviceField(m, device, D_BLOCKS_LIVE) + missing <= m.size.deviceBlocks;
  for (let i = 0; i < count && fits; i++) store(m, device, extent, first + i, 0);
  spin_unlock(cpu, deviceWord(m, device, D_BLOCKS_LOCK));
  return fits ? 0 : ENOSPC;
}

const tableAt = (m: SharedMemory, device: DeviceId): number => m.blocksAt + device * blockEntries(m.size) * WORDS;

const hash = (extent: number, block: number): number => {
  const mixed = Math.imul(extent, 0x9e3779b1) ^ Math.imul(block, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
};

function load(cpu: Cpu, device: DeviceId, extent: number, block: number): number {
  const entry = find(cpu.memory, device, extent, block, false);
  if (entry !== NOT_FOUND) return cpu.words[entry + STAMP] as number;
  return cpu.blockContents[deviceField(cpu.memory, device, D_CONTENTS)]?.(extent, block) ?? 0;
}

function store(m: SharedMemory, device: DeviceId, extent: number, block: number, stamp: number): number {
  let entry = find(m, device, extent, block, false);
  if (entry === NOT_FOUND) {
    const live = deviceField(m, device, D_BLOCKS_LIVE);
    if (live >= m.size.deviceBlocks) return ENOSPC;
    entry = find(m, device, extent, block, true);
    setDeviceField(m, device, D_BLOCKS_LIVE, live + 1);
    m.words[entry + STATE] = LIVE;
    m.words[entry + EXTENT] = extent;
    m.words[entry + BLOCK] = block;
  }
  m.words[entry + STAMP] = stamp;
  return 0;
}

/** The entry of a block, or, with `room`, the first place where one can be put. */
function find(m: SharedMemory, device: DeviceId, extent: number, block: number, room: boolean): number {
  const entries = blockEntries(m.size);
  const base = tableAt(m, device);
  for (let looks = 0, place = entries === 0 ? 0 : hash(extent, block) % entries; looks < entries; looks++) {
    const entry = base + place * WORDS;
    const state = m.words[entry + STATE] as number;
    if (room && state !== LIVE) return entry;
    if (state === UNUSED) return NOT_FOUND;
    if (state === LIVE && m.words[entry + EXTENT] === extent && m.words[entry + BLOCK] === block) return entry;
    place = place + 1 === entries ? 0 : place + 1;
  }
  return NOT_FOUND;
}

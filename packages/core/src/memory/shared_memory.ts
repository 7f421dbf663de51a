/**
 * SharedMemory: the arena of one machine as typed views, one per record type, plus the atomic operations on it.
 * Create it once, send `handle(memory)` to other threads, attach there. All state is in the buffer; this object holds none.
 * Next: memory/atomic.ts for protocol words; the record modules of mm/ for everything else.
 */
import { assert } from '../base/assert.ts';
import { UsageError } from '../base/errors.ts';
import { type AtomicOps, plainAtomicOps, wasmAtomicOps } from './atomic_ops.ts';
import { createWasmMemory, isWasmMemory, type SharedWasmMemory } from './atomic_wasm.ts';
import { H_MAGIC, H_VERSION, H_WORDS } from './header.ts';
import { LAYOUT_MAGIC, LAYOUT_VERSION, type Layout, layoutOf, type RegionName } from './layout.ts';
import { checkMachineSize, type MachineSize } from './limits.ts';
import { type SharedWords, WORD_BYTES } from './shared_words.ts';

/** What crosses a thread boundary (structured clone shares the memory, it does not copy it). */
export interface MemoryHandle {
  readonly memory: SharedWasmMemory | SharedArrayBuffer;
  readonly size: MachineSize;
}

export class SharedMemory {
  readonly handle: MemoryHandle;
  readonly layout: Layout;
  readonly size: MachineSize;
  /** The whole arena. Indexed by Word. */
  readonly words: SharedWords;
  readonly ops: AtomicOps;

  readonly mms: SharedWords;
  readonly vmas: SharedWords;
  readonly nodes: SharedWords;
  readonly tables: SharedWords;
  readonly folios: SharedWords;
  readonly anonVmas: SharedWords;
  readonly avcs: SharedWords;
  readonly mappings: SharedWords;
  readonly xaNodes: SharedWords;
  readonly swapInfos: SharedWords;
  readonly swapSlots: SharedWords;
  readonly userfaultfds: SharedWords;
  readonly tlb: SharedWords;
  readonly trace: SharedWords;
  readonly user: SharedWords;

  readonly percpuAt: number;
  readonly cachesAt: number;
  readonly slotsAt: number;
  readonly mmsAt: number;
  readonly vmasAt: number;
  readonly nodesAt: number;
  readonly tablesAt: number;
  readonly ptesAt: number;
  readonly foliosAt: number;
  readonly folioWaitsAt: number;
  readonly anonVmasAt: number;
  readonly avcsAt: number;
  readonly mappingsAt: number;
  readonly xaNodesAt: number;
  readonly swapInfosAt: number;
  readonly swapSlotsAt: number;
  readonly userfaultfdsAt: number;
  readonly memcgsAt: number;
  readonly tlbAt: number;
  readonly traceAt: number;
  readonly devicesAt: number;
  readonly requestsAt: number;
  readonly blocksAt: number;
  readonly userAt: number;

  constructor(handle: MemoryHandle) {
    this.handle = handle;
    this.size = handle.size;
    this.layout = layoutOf(handle.size);
    const wasm = isWasmMemory(handle.memory) ? handle.memory : null;
    const buffer = wasm === null ? (handle.memory as SharedArrayBuffer) : wasm.buffer;
    if (buffer.byteLength < this.layout.words * WORD_BYTES) {
      throw new UsageError(
        `The memory has ${buffer.byteLength} bytes but this machine size needs ${this.layout.words * WORD_BYTES}; create it with createMemory(size).`,
      );
    }
    this.words = new Int32Array(buffer, 0, this.layout.words);
    this.ops = wasm === null ? plainAtomicOps(this.words) : wasmAtomicOps(wasm);
    const at = (name: RegionName): number => this.layout.regions[name].base;
    const view = (name: RegionName): SharedWords => {
      const region = this.layout.regions[name];
      return new Int32Array(buffer, region.base * WORD_BYTES, region.words);
    };
    this.mms = view('mms');
    this.vmas = view('vmas');
    this.nodes = view('nodes');
    this.tables = view('tables');
    this.folios = view('folios');
    this.anonVmas = view('anonVmas');
    this.avcs = view('avcs');
    this.mappings = view('mappings');
    this.xaNodes = view('xaNodes');
    this.swapInfos = view('swapInfos');
    this.swapSlots = view('swapSlots');
    this.userfaultfds = view('userfaultfds');
    this.tlb = view('tlb');
    this.trace = view('trace');
    this.user = view('user');
    this.percpuAt = at('percpu');
    this.cachesAt = at('caches');
    this.slotsAt = at('slots');
    this.mmsAt = at('mms');
    this.vmasAt = at('vmas');
    this.nodesAt = at('nodes');
    this.tablesAt = at('tables');
    this.ptesAt = at('ptes');
    this.foliosAt = at('folios');
    this.folioWaitsAt = at('folioWaits');
    this.anonVmasAt = at('anonVmas');
    this.avcsAt = at('avcs');
    this.mappingsAt = at('mappings');
    this.xaNodesAt = at('xaNodes');
    this.swapInfosAt = at('swapInfos');
    this.swapSlotsAt = at('swapSlots');
    this.userfaultfdsAt = at('userfaultfds');
    this.memcgsAt = at('memcgs');
    this.tlbAt = at('tlb');
    this.traceAt = at('trace');
    this.devicesAt = at('devices');
    this.requestsAt = at('requests');
    this.blocksAt = at('blocks');
    this.userAt = at('user');
  }
}

/**
 * Allocates the arena for a machine of that size, all zero but its identity.
 * @param plain use a bare SharedArrayBuffer and Atomics instead of the WebAssembly operations (slower; same results)
 */
export function createMemory(size: MachineSize, plain = false): SharedMemory {
  checkMachineSize(size);
  const bytes = layoutOf(size).words * WORD_BYTES;
  const memory = new SharedMemory({ memory: plain ? new SharedArrayBuffer(bytes) : createWasmMemory(bytes), size });
  memory.words[H_MAGIC] = LAYOUT_MAGIC;
  memory.words[H_VERSION] = LAYOUT_VERSION;
  memory.words[H_WORDS] = memory.layout.words;
  return memory;
}

/** The same arena, seen from another thread. @throws UsageError when the memory was made by another version of this library */
export function attachMemory(handle: MemoryHandle): SharedMemory {
  const memory = new SharedMemory(handle);
  if (memory.words[H_MAGIC] !== LAYOUT_MAGIC || memory.words[H_VERSION] !== LAYOUT_VERSION) {
    throw new UsageError(
      'This shared memory was not made by this version of @faultlab/core; create it with createMemory() of the same version.',
    );
  }
  assert(memory.words[H_WORDS] === memory.layout.words, 'attachMemory: the size differs from the one the memory was created with');
  return memory;
}

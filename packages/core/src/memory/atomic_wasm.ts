/**
 * Writes the WebAssembly module of atomic instructions, byte by byte and in readable code, and instantiates it on a shared memory.
 * Why: V8 does not inline Atomics.*; a WebAssembly function of one atomic instruction called from JavaScript costs less.
 * Next: memory/atomic_ops.ts
 */

/** The part of WebAssembly.Memory that is used. Core has no DOM or Node types, so the few names needed are declared here. */
export interface SharedWasmMemory {
  readonly buffer: SharedArrayBuffer;
}

interface WasmAtomicExports {
  readonly load: (byte: number) => number;
  readonly store: (byte: number, value: number) => void;
  readonly add: (byte: number, value: number) => number;
  readonly and: (byte: number, value: number) => number;
  readonly or: (byte: number, value: number) => number;
  readonly xchg: (byte: number, value: number) => number;
  readonly cmpxchg: (byte: number, expected: number, value: number) => number;
  readonly incNotZeroLimited: (byte: number, limit: number) => number;
}

interface WasmNamespace {
  readonly Memory: new (options: { initial: number; maximum: number; shared: boolean }) => SharedWasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}
declare const WebAssembly: WasmNamespace;

export const WASM_PAGE_BYTES = 65536;
const MAX_PAGES = 65536;

/** A shared memory of at least that many bytes (fixed: it never grows). */
export function createWasmMemory(bytes: number): SharedWasmMemory {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** True for a WebAssembly.Memory, also one that has crossed a thread boundary. */
export function isWasmMemory(value: object): value is SharedWasmMemory {
  return value instanceof WebAssembly.Memory;
}

export function instantiate(memory: SharedWasmMemory): WasmAtomicExports {
  const maximum = memory.buffer.byteLength / WASM_PAGE_BYTES;
  const module = new WebAssembly.Module(moduleBytes(Math.max(maximum, 1)));
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as WasmAtomicExports;
}

// --- encoding -------------------------------------------------------------------------------------------------------------------

const I32 = 0x7f;
const FUNCTION = 0x60;
const BLOCK_VOID = 0x40;
const OP = {
  block: 0x02,
  loop: 0x03,
  br: 0x0c,
  brIf: 0x0d,
  return: 0x0f,
  end: 0x0b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Const: 0x41,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32GeS: 0x4e,
  i32Add: 0x6a,
  i32Or: 0x72,
  atomicPrefix: 0xfe,
} as const;
/** Second byte of an atomic instruction on i32, from the threads proposal. */
const ATOMIC = { load: 0x10, store: 0x17, add: 0x1e, and: 0x2c, or: 0x33, xchg: 0x41, cmpxchg: 0x48 } as const;

const get = (local: number): number[] => [OP.localGet, local];
/** Alignment 4 bytes (2^2), offset 0. */
const atomic = (code: number): number[] => [OP.atomicPrefix, code, 2, 0];

interface WasmFunction {
  readonly name: string;
  readonly parameters: number;
  readonly results: number;
  readonly locals: number;
  readonly body: readonly number[];
}

const rmw = (name: string, code: number): WasmFunction => ({
  name,
  parameters: 2,
  results: 1,
  locals: 0,
  body: [...get(0), ...get(1), ...atomic(code)],
});

/** loop { before = load; if (before == 0 or before >= limit) return before; if (cmpxchg(before, before + 1) == before) return before } */
const INC_NOT_ZERO_LIMITED: WasmFunction = {
  name: 'incNotZeroLimited',
  parameters: 2,
  results: 1,
  locals: 1,
  body: [
    ...[OP.loop, BLOCK_VOID],
    ...get(0),
    ...atomic(ATOMIC.load),
    ...[OP.localTee, 2, OP.i32Eqz],
    ...[...get(2), ...get(1), OP.i32GeS, OP.i32Or],
    ...[OP.brIf, 1],
    ...[...get(0), ...get(2), ...get(2), OP.i32Const, 1, OP.i32Add],
    ...atomic(ATOMIC.cmpxchg),
    ...[...get(2), OP.i32Eq, OP.brIf, 1],
    ...[OP.br, 0, OP.end],
  ],
};

/** A branch out of the function needs its value on the stack: wrap the loop in a block and push the value after it. */
const wrapped = (fn: WasmFunction): WasmFunction => ({
  ...fn,
  body: [OP.block, BLOCK_VOID, ...fn.body, OP.end, ...get(2)],
});

const FUNCTIONS: readonly WasmFunction[] = [
  { name: 'load', parameters: 1, results: 1, locals: 0, body: [...get(0), ...atomic(ATOMIC.load)] },
  { name: 'store', parameters: 2, results: 0, locals: 0, body: [...get(0), ...get(1), ...atomic(ATOMIC.store)] },
  rmw('add', ATOMIC.add),
  rmw('and', ATOMIC.and),
  rmw('or', ATOMIC.or),
  rmw('xchg', ATOMIC.xchg),
  { name: 'cmpxchg', parameters: 3, results: 1, locals: 0, body: [...get(0), ...get(1), ...get(2), ...atomic(ATOMIC.cmpxchg)] },
  wrapped(INC_NOT_ZERO_LIMITED),
];

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

const text = (value: string): number[] => [...unsigned(value.length), ...Array.from(value, (letter) => letter.charCodeAt(0))];
const list = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];
const repeat = (count: number): number[] => new Array<number>(count).fill(I32);

/** The bytes of the module for a memory of exactly so many pages. */
export function moduleBytes(pages: number): Uint8Array {
  const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const types = FUNCTIONS.map((fn) => [FUNCTION, fn.parameters, ...repeat(fn.parameters), fn.results, ...repeat(fn.results)]);
  const sharedWithMaximum = 0x03;
  const limits = [sharedWithMaximum, ...unsigned(Math.min(pages, MAX_PAGES)), ...unsigned(MAX_PAGES)];
  const memoryImport = [...text('env'), ...text('memory'), 0x02, ...limits];
  const indexes = FUNCTIONS.map((_, index) => [index]);
  const exported = FUNCTIONS.map((fn, index) => [...text(fn.name), 0x00, index]);
  const code = FUNCTIONS.map((fn) => {
    const locals = fn.locals === 0 ? [0] : [1, fn.locals, I32];
    const body = [...locals, ...fn.body, OP.end];
    return [...unsigned(body.length), ...body];
  });
  return new Uint8Array([
    ...header,
    ...section(1, list(types)),
    ...section(2, list([memoryImport])),
    ...section(3, list(indexes)),
    ...section(7, list(exported)),
    ...section(10, list(code)),
  ]);
}

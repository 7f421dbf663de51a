/**
 * An operation of a program as data: a kind and up to five numbers. That is all a CPU needs to execute it, all a log needs to name it, and
 * all that is needed to execute it again. Addresses and lengths are in pages.
 * Next: program.ts strings operations together, execute_op.ts carries them out.
 */

/** Every kind by its name. The number of a kind is its position here. */
export const OP_NAMES = [
  'nop',
  // What user code does.
  'read',
  'write',
  // What the kernel does on behalf of user code.
  'kernel_read',
  'kernel_write',
  'remote_read',
  'remote_write',
  // System calls.
  'mmap',
  'munmap',
  'mprotect',
  'mremap',
  'madvise',
  'mlock',
  'munlock',
  'brk',
  // Files and what lies behind mappings of them.
  'fread',
  'fwrite',
  'truncate',
  'punch',
  'fsync',
  'msync',
  'sync',
  'evict',
  'writeback',
  'kswapd',
  'memory_max',
  'memory_high',
  'drop_caches',
  // Ranges through the page tables, as a debugger or a driver takes them.
  'read_range',
  'pin_range',
  // userfaultfd: what a program asks for, and what its handler does.
  'uffd_open',
  'uffd_register',
  'uffd_unregister',
  'uffd_wp',
  'uffd_serve',
  'uffd_close',
  // Entries that are neither present nor in swap, and a device at work.
  'move_pages',
  'to_device',
  'exclusive',
  'numa_hints',
  'fence_work',
  // Rounds: short stories of several calls, which check themselves.
  'map_anywhere',
  'grow_stack',
  'fork_check',
  'fork_give',
  'adopt',
  'process_round',
  'memory_hog',
  'process_tree',
  'visit',
  // Between CPUs.
  'signal',
  'yield',
  'count_locked',
  'count_busted',
] as const;
export type OpName = (typeof OP_NAMES)[number];

/** What the numbers of each kind mean. */
const OP_ARGS: Readonly<Record<OpName, readonly string[]>> = {
  nop: [],
  read: ['page'],
  write: ['page', 'stamp'],
  kernel_read: ['page'],
  kernel_write: ['page', 'stamp'],
  remote_read: ['page'],
  remote_write: ['page', 'stamp'],
  mmap: ['at', 'pages', 'prot', 'flags', 'backing'],
  munmap: ['at', 'pages'],
  mprotect: ['at', 'pages', 'prot'],
  mremap: ['at', 'pages', 'newPages', 'flags', 'newAt'],
  madvise: ['at', 'pages', 'advice'],
  mlock: ['at', 'pages'],
  munlock: ['at', 'pages'],
  brk: ['at'],
  fread: ['file', 'page'],
  fwrite: ['file', 'page', 'stamp'],
  truncate: ['file', 'pages'],
  punch: ['file', 'page', 'pages'],
  fsync: ['file'],
  msync: ['at', 'pages'],
  sync: [],
  evict: ['file'],
  writeback: [],
  kswapd: [],
  memory_max: ['pages', 'memcg'],
  memory_high: ['pages', 'memcg'],
  drop_caches: ['what'],
  read_range: ['at', 'pages'],
  pin_range: ['at', 'pages', 'write'],
  uffd_open: ['features'],
  uffd_register: ['at', 'pages', 'mode'],
  uffd_unregister: ['at', 'pages'],
  uffd_wp: ['at', 'pages', 'protect'],
  uffd_serve: [],
  uffd_close: [],
  move_pages: ['at', 'pages'],
  to_device: ['at', 'pages'],
  exclusive: ['at', 'pages'],
  numa_hints: ['at', 'pages'],
  fence_work: ['file'],
  map_anywhere: ['pages'],
  grow_stack: ['at', 'pages'],
  fork_check: ['at', 'pages'],
  fork_give: ['cpu'],
  adopt: [],
  process_round: ['pages', 'memcg'],
  memory_hog: ['pages'],
  process_tree: ['pages', 'depth'],
  visit: [],
  signal: ['cpu', 'signal'],
  yield: [],
  count_locked: ['times'],
  count_busted: ['times'],
};

/** Number of an operation kind. */
export type OpKind = number;

const kind = (name: OpName): OpKind => OP_NAMES.indexOf(name);

export const OP_NOP: OpKind = kind('nop');
export const OP_READ: OpKind = kind('read');
export const OP_WRITE: OpKind = kind('write');
export const OP_KERNEL_READ: OpKind = kind('kernel_read');
export const OP_KERNEL_WRITE: OpKind = kind('kernel_write');
export const OP_REMOTE_READ: OpKind = kind('remote_read');
export const OP_REMOTE_WRITE: OpKind = kind('remote_write');
export const OP_MMAP: OpKind = kind('mmap');
export const OP_MUNMAP: OpKind = kind('munmap');
export const OP_MPROTECT: OpKind = kind('mprotect');
export const OP_MREMAP: OpKind = kind('mremap');
export const OP_MADVISE: OpKind = kind('madvise');
export const OP_MLOCK: OpKind = kind('mlock');
export const OP_MUNLOCK: OpKind = kind('munlock');
export const OP_BRK: OpKind = kind('brk');
export const OP_FREAD: OpKind = kind('fread');
export const OP_FWRITE: OpKind = kind('fwrite');
export const OP_TRUNCATE: OpKind = kind('truncate');
export const OP_PUNCH: OpKind = kind('punch');
export const OP_FSYNC: OpKind = kind('fsync');
export const OP_MSYNC: OpKind = kind('msync');
export const OP_SYNC: OpKind = kind('sync');
export const OP_EVICT: OpKind = kind('evict');
export const OP_WRITEBACK: OpKind = kind('writeback');
/** Background reclaim, and a limit of a memory cgroup that changes: of the run's own, or of the one that is named. */
export const OP_KSWAPD: OpKind = kind('kswapd');
export const OP_MEMORY_MAX: OpKind = kind('memory_max');
export const OP_MEMORY_HIGH: OpKind = kind('memory_high');
export const OP_DROP_CACHES: OpKind = kind('drop_caches');
export const OP_READ_RANGE: OpKind = kind('read_range');
export const OP_PIN_RANGE: OpKind = kind('pin_range');
export const OP_UFFD_OPEN: OpKind = kind('uffd_open');
export const OP_UFFD_REGISTER: OpKind = kind('uffd_register');
export const OP_UFFD_UNREGISTER: OpKind = kind('uffd_unregister');
export const OP_UFFD_WP: OpKind = kind('uffd_wp');
export const OP_UFFD_SERVE: OpKind = kind('uffd_serve');
export const OP_UFFD_CLOSE: OpKind = kind('uffd_close');
export const OP_MOVE_PAGES: OpKind = kind('move_pages');
export const OP_TO_DEVICE: OpKind = kind('to_device');
export const OP_EXCLUSIVE: OpKind = kind('exclusive');
export const OP_NUMA_HINTS: OpKind = kind('numa_hints');
export const OP_FENCE_WORK: OpKind = kind('fence_work');
export const OP_MAP_ANYWHERE: OpKind = kind('map_anywhere');
export const OP_GROW_STACK: OpKind = kind('grow_stack');
export const OP_FORK_CHECK: OpKind = kind('fork_check');
export const OP_FORK_GIVE: OpKind = kind('fork_give');
export const OP_ADOPT: OpKind = kind('adopt');
export const OP_PROCESS_ROUND: OpKind = kind('process_round');
export const OP_MEMORY_HOG: OpKind = kind('memory_hog');
export const OP_PROCESS_TREE: OpKind = kind('process_tree');
export const OP_VISIT: OpKind = kind('visit');
export const OP_SIGNAL: OpKind = kind('signal');
export const OP_YIELD: OpKind = kind('yield');
export const OP_COUNT_LOCKED: OpKind = kind('count_locked');
export const OP_COUNT_BUSTED: OpKind = kind('count_busted');

/** One shape for all kinds, so that code which handles millions of them stays fast. Unused numbers are 0. */
export interface Op {
  kind: OpKind;
  a: number;
  b: number;
  c: number;
  d: number;
  e: number;
}

/** An operation by its name: `op('mmap', 4096, 16, PROT_READ, MAP_PRIVATE)`. */
export function op(name: OpName, a = 0, b = 0, c = 0, d = 0, e = 0): Op {
  return { kind: kind(name), a, b, c, d, e };
}

export const opKind = (name: OpName): OpKind => kind(name);

/** Reads or writes one page, by whatever way. */
export const isTouch = (opKindNumber: OpKind): boolean => opKindNumber >= OP_READ && opKindNumber <= OP_REMOTE_WRITE;
/** Works on a file by its number, not on pages of an address space. */
export const namesFile = (opKindNumber: OpKind): boolean => FILE_KINDS.has(opKindNumber);
const FILE_KINDS: ReadonlySet<OpKind> = new Set([OP_FREAD, OP_FWRITE, OP_TRUNCATE, OP_PUNCH, OP_FSYNC, OP_EVICT, OP_FENCE_WORK]);
export const isWrite = (opKindNumber: OpKind): boolean => isTouch(opKindNumber) && (opKindNumber & 1) === 0;

/** What lies behind the pages of a region, if it is not private anonymous memory. */
export interface Backing {
  /** Number of the file. */
  readonly file: number;
  /** Page of the file at the start of the region. */
  readonly offset: number;
  /** Do writes reach the file, or does each address space have its own copy of what it wrote? */
  readonly shared: boolean;
}

/** The fifth number of mmap: 0 for anonymous memory, else a file by its number in the run, and the page of it to begin with. @param page of the region */
export const backingAt = (backing: Backing | undefined, page: number): number =>
  backing === undefined ? 0 : (backing.offset + page) * BACKING_FILES + backing.file + 1;
export const backingFile = (backing: number): number => (backing % BACKING_FILES) - 1;
export const backingPage = (backing: number): number => Math.floor(backing / BACKING_FILES);
const BACKING_FILES = 64;

export const opName = (opKindNumber: OpKind): string => OP_NAMES[opKindNumber] ?? `kind ${opKindNumber}`;

/** The ranges of an address space that an operation names, as first page and number. */
export function opPages({ kind: opKindNumber, a, b, c, e }: Readonly<Op>): (readonly [start: number, pages: number])[] {
  const from = [a, b] as const;
  if (opKindNumber === OP_MREMAP) return [from, [e, c]];
  const [first, second] = OP_ARGS[OP_NAMES[opKindNumber] as OpName] ?? [];
  if (first === 'page') return [[a, 1]];
  if (first !== 'at') return [];
  return second === 'pages' ? [from] : [[a, 1]];
}

/** How much an operation works on: pages of a range, or rounds; undefined for one that has no such number, or one whose meaning changes with it. */
export function opSize({ kind: opKindNumber, a, b }: Readonly<Op>): number | undefined {
  const [first, second] = OP_ARGS[OP_NAMES[opKindNumber] as OpName] ?? [];
  if (first === 'at' && second === 'pages') return b;
  return first === 'times' ? a : undefined;
}

/** Gives an operation that has a size a smaller one. */
export function resizeOp(operation: Op, size: number): void {
  if (operation.kind === OP_COUNT_LOCKED || operation.kind === OP_COUNT_BUSTED) operation.a = size;
  else operation.b = size;
  if (operation.kind === OP_MREMAP) operation.c = size;
}

/** "mmap at=4096 pages=16 prot=1 flags=2" */
export function describeOp(operation: Readonly<Op>): string {
  const name = OP_NAMES[operation.kind];
  const numbers = [operation.a, operation.b, operation.c, operation.d, operation.e];
  const args = (name === undefined ? [] : OP_ARGS[name]).flatMap((arg, index) => describeArg(arg, numbers[index] as number));
  return [opName(operation.kind), ...args].join(' ');
}

function describeArg(arg: string, number: number): string[] {
  if (arg !== 'backing') return [`${arg}=${number}`];
  return number === 0 ? [] : [`file=${backingFile(number)}`, `page=${backingPage(number)}`];
}

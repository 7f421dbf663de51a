/**
 * Operations on areas: mmap, munmap, mprotect, mlock, munlock, mremap, madvise.
 * Next: accesses.ts
 */
import { NO_MAPPING } from '@faultlab/core/base/brand';
import * as mman from '@faultlab/core/mm/mman';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mlock, sys_munlock } from '@faultlab/core/syscalls/mlock';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { ARENA_BASE, type ScriptMachine } from '../script_machine.ts';
import type { Ended, OperationSpec, OperationTable } from './operation_spec.ts';
import { ARENA_PAGES, type PageRange, type Words } from './words.ts';

export interface MapOperation extends PageRange {
  readonly name: 'map';
  readonly prot: number;
  readonly shared: boolean;
  /** Undefined for anonymous memory. */
  readonly file: string | undefined;
  readonly offset: number;
  /** MAP_* bits besides the kind of sharing, MAP_ANONYMOUS and MAP_FIXED. */
  readonly options: number;
}

interface RangeOperation<Name extends string> extends PageRange {
  readonly name: Name;
}

export interface ProtectOperation extends RangeOperation<'protect'> {
  readonly prot: number;
}

export interface RemapOperation {
  readonly name: 'remap';
  readonly start: number;
  readonly old: number;
  readonly wanted: number;
  /** Undefined: in place or not at all. */
  readonly to: number | undefined;
}

export interface AdviseOperation extends RangeOperation<'advise'> {
  /** MADV_* */
  readonly advice: number;
}

export type AreaOperation =
  | MapOperation
  | ProtectOperation
  | RemapOperation
  | AdviseOperation
  | RangeOperation<'unmap'>
  | RangeOperation<'lock'>
  | RangeOperation<'unlock'>;

const MAP_OPTIONS: ReadonlyMap<string, number> = new Map([
  ['populate', mman.MAP_POPULATE],
  ['locked', mman.MAP_LOCKED],
  ['growsdown', mman.MAP_GROWSDOWN],
  ['noreplace', mman.MAP_FIXED_NOREPLACE],
]);
const SHARING: ReadonlyMap<string, boolean> = new Map([
  ['private', false],
  ['shared', true],
]);
const ADVICE: ReadonlyMap<string, number> = new Map([
  ['normal', mman.MADV_NORMAL],
  ['random', mman.MADV_RANDOM],
  ['sequential', mman.MADV_SEQUENTIAL],
  ['willneed', mman.MADV_WILLNEED],
  ['dontneed', mman.MADV_DONTNEED],
  ['free', mman.MADV_FREE],
  ['remove', mman.MADV_REMOVE],
  ['dontfork', mman.MADV_DONTFORK],
  ['dofork', mman.MADV_DOFORK],
  ['dontdump', mman.MADV_DONTDUMP],
  ['dodump', mman.MADV_DODUMP],
  ['wipeonfork', mman.MADV_WIPEONFORK],
  ['keeponfork', mman.MADV_KEEPONFORK],
  ['cold', mman.MADV_COLD],
  ['pageout', mman.MADV_PAGEOUT],
  ['populate_read', mman.MADV_POPULATE_READ],
  ['populate_write', mman.MADV_POPULATE_WRITE],
]);

const map: OperationSpec<MapOperation> = {
  usage: 'map START LEN PROT private|shared anon|NAME [OFFSET] [populate|locked|growsdown|noreplace]',
  setUp: false,
  read(words) {
    const range = words.range();
    const prot = words.protection();
    const shared = words.oneOf('the kind of sharing', SHARING);
    const source = words.knownFileOrAnon();
    const offset = source !== undefined && words.nextIsNumber ? words.fileIndex('OFFSET') : 0;
    let options = 0;
    while (words.more) options |= words.oneOf('the option', MAP_OPTIONS);
    return { name: 'map', ...range, prot, shared, file: source, offset, options };
  },
  run(machine, { start, pages, prot, shared, file, offset, options }): Ended {
    const { cpu } = machine;
    const flags = (shared ? mman.MAP_SHARED : mman.MAP_PRIVATE) | mman.MAP_FIXED | options;
    if (file !== undefined) return sys_mmap(cpu, ARENA_BASE + start, pages, prot, flags, machine.file(file), offset);
    return sys_mmap(cpu, ARENA_BASE + start, pages, prot, flags | mman.MAP_ANONYMOUS, NO_MAPPING, 0);
  },
};

const protect: OperationSpec<ProtectOperation> = {
  usage: 'protect START LEN PROT',
  setUp: false,
  read: (words) => ({ name: 'protect', ...words.range(), prot: words.protection() }),
  run: ({ cpu }, { start, pages, prot }) => sys_mprotect(cpu, ARENA_BASE + start, pages, prot),
};

const remap: OperationSpec<RemapOperation> = {
  usage: 'remap START OLD NEW [TO]',
  setUp: false,
  read(words) {
    const { start, pages } = words.range('START', 'OLD');
    const wanted = words.number('NEW', 0, ARENA_PAGES);
    return { name: 'remap', start, old: pages, wanted, to: words.more ? words.page('TO') : undefined };
  },
  run({ cpu }, { start, old, wanted, to }) {
    if (to === undefined) return sys_mremap(cpu, ARENA_BASE + start, old, wanted, 0, 0);
    return sys_mremap(cpu, ARENA_BASE + start, old, wanted, mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED, ARENA_BASE + to);
  },
};

const advise: OperationSpec<AdviseOperation> = {
  usage: 'advise START LEN ADVICE',
  setUp: false,
  read: (words) => ({ name: 'advise', ...words.range(), advice: words.oneOf('ADVICE', ADVICE) }),
  run({ cpu }, { start, pages, advice }) {
    return sys_madvise(cpu, ARENA_BASE + start, pages, advice);
  },
};

/** An operation that is a system call on a range and nothing else. */
function rangeCall<Name extends string>(
  name: Name,
  call: (cpu: ScriptMachine['cpu'], start: number, pages: number) => number,
): OperationSpec<RangeOperation<Name>> {
  return {
    usage: `${name} START LEN`,
    setUp: false,
    read: (words: Words) => ({ name, ...words.range() }),
    run: ({ cpu }, { start, pages }) => call(cpu, ARENA_BASE + start, pages),
  };
}

export const AREA_OPERATIONS: OperationTable<AreaOperation> = {
  map,
  unmap: rangeCall('unmap', sys_munmap),
  protect,
  lock: rangeCall('lock', sys_mlock),
  unlock: rangeCall('unlock', sys_munlock),
  remap,
  advise,
};

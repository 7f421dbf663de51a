/**
 * Operations on files, their pages and their page cache.
 * Next: reclaim.ts
 */
import type { MappingId } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { FILE_DISK, FILE_SHMEM, mapping_can_writeback, raPagesWord } from '@faultlab/core/mm/address_space';
import { MS_SYNC } from '@faultlab/core/mm/mman';
import { invalidate_mapping_pages } from '@faultlab/core/mm/truncate';
import { FILE_END } from '@faultlab/core/mm/unmap_mapping';
import { sys_read, sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_fsync, sys_msync } from '@faultlab/core/syscalls/msync';
import { sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { ARENA_BASE, DISK, type ScriptMachine } from '../script_machine.ts';
import type { OperationSpec, OperationTable } from './operation_spec.ts';
import type { PageRange, Words } from './words.ts';

interface SizedFile<Name extends string> {
  readonly name: Name;
  readonly file: string;
  readonly pages: number;
}
interface WholeFile<Name extends string> {
  readonly name: Name;
  readonly file: string;
}
interface FilePage<Name extends string> {
  readonly name: Name;
  readonly file: string;
  readonly index: number;
}
interface MsyncOperation extends PageRange {
  readonly name: 'msync';
}

export type FileOperation =
  | SizedFile<'file'>
  | SizedFile<'memfd'>
  | SizedFile<'truncate'>
  | WholeFile<'evict'>
  | WholeFile<'sync'>
  | FilePage<'fread'>
  | FilePage<'fwrite'>
  | MsyncOperation;

/** Read-ahead of the recording machine's disk: more than any file of a script has. */
const RA_PAGES = 2048;
/** Values that a write leaves in a page: they only differ from what was there. */
const WRITE_STAMP = 253;

function newFile<Name extends string>(
  name: Name,
  run: (machine: ScriptMachine, file: string, pages: number) => number,
): OperationSpec<SizedFile<Name>> {
  return {
    usage: `${name} NAME PAGES`,
    setUp: true,
    read: (words: Words) => ({ name, file: words.newFile(), pages: words.fileSize() }),
    run: (machine, { file, pages }) => run(machine, file, pages),
  };
}

function wholeFile<Name extends string>(name: Name, run: (cpu: Cpu, file: MappingId) => number): OperationSpec<WholeFile<Name>> {
  return {
    usage: `${name} NAME`,
    setUp: true,
    read: (words: Words) => ({ name, file: words.knownFile() }),
    run: (machine, { file }) => run(machine.cpu, machine.file(file)),
  };
}

function filePage<Name extends string>(
  name: Name,
  run: (cpu: Cpu, file: MappingId, index: number) => number,
): OperationSpec<FilePage<Name>> {
  return {
    usage: `${name} NAME INDEX`,
    setUp: true,
    read: (words: Words) => ({ name, file: words.knownFile(), index: words.fileIndex('INDEX') }),
    run: (machine, { file, index }) => run(machine.cpu, machine.file(file), index),
  };
}

/** On disk, its pages cached and clean, and none of them marked for read-ahead: on the kernel they were written, not read. */
function makeFile(machine: ScriptMachine, name: string, pages: number): number {
  const { cpu } = machine;
  const file = machine.newFile(name, { pages, kind: FILE_DISK, device: DISK, raPages: 0 });
  for (let index = 0; file > 0 && index < pages; index++) {
    const error = sys_read(cpu, file as MappingId, index);
    if (error < 0) return error;
  }
  if (file > 0) cpu.words[raPagesWord(cpu.memory, file as MappingId)] = RA_PAGES;
  return file;
}

/** What is not dirty after the sync and mapped by nobody. A file without a device has nothing that it could drop. */
function evict(cpu: Cpu, file: MappingId): number {
  if (!mapping_can_writeback(cpu.memory, file)) return 0;
  const error = sys_fsync(cpu, file);
  if (error === 0) invalidate_mapping_pages(cpu, file, 0, FILE_END);
  return error;
}

export const FILE_OPERATIONS: OperationTable<FileOperation> = {
  file: newFile('file', makeFile),
  memfd: newFile('memfd', (machine, name, pages) => machine.newFile(name, { pages, kind: FILE_SHMEM })),
  evict: wholeFile('evict', evict),
  sync: wholeFile('sync', sys_fsync),
  truncate: {
    usage: 'truncate NAME PAGES',
    setUp: true,
    read: (words) => ({ name: 'truncate', file: words.knownFile(), pages: words.fileSize() }),
    run: (machine, { file, pages }) => sys_ftruncate(machine.cpu, machine.file(file), pages),
  },
  fread: filePage('fread', sys_read),
  fwrite: filePage('fwrite', (cpu, file, index) => sys_write(cpu, file, index, WRITE_STAMP)),
  msync: {
    usage: 'msync START LEN',
    setUp: true,
    read: (words) => ({ name: 'msync', ...words.range() }),
    run: ({ cpu }, { start, pages }) => sys_msync(cpu, ARENA_BASE + start, pages, MS_SYNC),
  },
};

/**
 * Operations on files, their pages and their page cache. They are read and checked; the model has no files that need a device yet.
 * Next: reclaim.ts
 */
import { notModelled, type OperationSpec, type OperationTable } from './operation_spec.ts';
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

function newFile<Name extends string>(name: Name): OperationSpec<SizedFile<Name>> {
  return {
    usage: `${name} NAME PAGES`,
    setUp: true,
    read: (words: Words) => ({ name, file: words.newFile(), pages: words.fileSize() }),
    run: () => notModelled(name),
  };
}

function wholeFile<Name extends string>(name: Name): OperationSpec<WholeFile<Name>> {
  return {
    usage: `${name} NAME`,
    setUp: true,
    read: (words: Words) => ({ name, file: words.knownFile() }),
    run: () => notModelled(name),
  };
}

function filePage<Name extends string>(name: Name): OperationSpec<FilePage<Name>> {
  return {
    usage: `${name} NAME INDEX`,
    setUp: true,
    read: (words: Words) => ({ name, file: words.knownFile(), index: words.fileIndex('INDEX') }),
    run: () => notModelled(name),
  };
}

export const FILE_OPERATIONS: OperationTable<FileOperation> = {
  file: newFile('file'),
  memfd: newFile('memfd'),
  evict: wholeFile('evict'),
  sync: wholeFile('sync'),
  truncate: {
    usage: 'truncate NAME PAGES',
    setUp: true,
    read: (words) => ({ name: 'truncate', file: words.knownFile(), pages: words.fileSize() }),
    run: () => notModelled('truncate'),
  },
  fread: filePage('fread'),
  fwrite: filePage('fwrite'),
  msync: {
    usage: 'msync START LEN',
    setUp: true,
    read: (words) => ({ name: 'msync', ...words.range() }),
    run: () => notModelled('msync'),
  },
};

/**
 * The vocabulary of the scenarios: where their ranges lie, and the calls that lay them out.
 */
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { backingAt, type Op, op } from '../program/op.ts';
import type { FileUse, Region } from '../program/program.ts';

export const READ_ONLY: number = PROT_READ;
export const READ_WRITE: number = PROT_READ | PROT_WRITE;
export const PRIVATE_FIXED: number = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

/** First page of the ranges. Far below the place where the kernel looks for room, so that nothing else comes to lie between them. */
const BASE = 0x100000;
/** Between ranges: more than the guard gap of a stack. */
const APART = 0x1000;

/** First page of the range with that number. */
export const rangeStart = (index: number): number => BASE + index * APART;

/** Kind of sharing of a mapping of the region, for mmap at a given place. */
export const mapFlags = ({ backing, sharedAnonymous = false }: Region): number => {
  if (backing !== undefined) return MAP_FIXED | (backing.shared ? MAP_SHARED : MAP_PRIVATE);
  return sharedAnonymous ? MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED : PRIVATE_FIXED;
};

/** A mapping of the whole region. */
export const mapRegion = (region: Region, prot: number = READ_WRITE, extraFlags = 0): Op =>
  op('mmap', region.start, region.pages, prot, mapFlags(region) | extraFlags, backingAt(region.backing, 0));

/** A range that nobody remaps, of which CPU `cpu` writes every `cpus`th page. */
export const striped = (name: string, index: number, pages: number, cpu: number, cpus: number): Region => ({
  name,
  start: rangeStart(index),
  pages: Math.max(pages, cpus),
  initial: READ_WRITE,
  layout: 'fixed',
  discards: 'mine',
  writes: { step: cpus, offset: cpu },
});

/** A range that belongs to CPU `cpu` alone: contents, areas and all. */
export const ownRange = (name: string, index: number, pages: number, cpu: number, initial: number | 'unmapped'): Region => ({
  name,
  start: rangeStart(index + cpu),
  pages,
  initial,
  layout: 'mine',
  discards: 'mine',
  writes: { step: 1, offset: 0 },
});

/** A file that nobody shortens, of which CPU `cpu` writes every `cpus`th page. */
export const stripedFile = (name: string, pages: number, cpu: number, cpus: number): FileUse => ({
  name,
  pages: Math.max(pages, cpus),
  initial: 'token',
  writes: { step: cpus, offset: cpu },
  discards: 'mine',
});

/** A shared mapping of a whole file, which nobody remaps. */
export const sharedView = (file: FileUse, number: number, index: number): Region => ({
  name: `${file.name}, shared`,
  start: rangeStart(index),
  pages: file.pages,
  initial: READ_WRITE,
  layout: 'fixed',
  discards: 'mine',
  writes: file.writes,
  backing: { file: number, offset: 0, shared: true },
});

/** A private mapping of a whole file, of whose copies CPU `cpu` makes every `cpus`th. */
export const privateView = (file: FileUse, number: number, index: number, cpu: number, cpus: number): Region => ({
  ...striped(`${file.name}, private`, index, file.pages, cpu, cpus),
  backing: { file: number, offset: 0, shared: false },
});

/** All CPUs of a run. */
export const everyCpu = (cpus: number): number[] => Array.from({ length: cpus }, (_, cpu) => cpu);

/**
 * Trigger scenarios: two or three CPUs, one hot page or area, and no more operations than a bug needs, so that lock-step can go through many
 * orders of them. The right model runs them without a word; a mutant trips over one of them.
 *
 *   faultlab explore --scenario trigger_swap_discard --mutant B28-swap --ops 2
 *
 * Next: area_triggers.ts
 */
import { FILE_DISK, type FileSpec } from '@faultlab/core/mm/address_space';
import type { Op } from '../../program/op.ts';
import type { FileUse, Program, Region } from '../../program/program.ts';
import type { Scenario, ScenarioNeeds } from '../../scenario.ts';
import { mapRegion, READ_WRITE, rangeStart } from '../../scenarios/layout.ts';

/** Pages that everybody reads, writes, maps and throws away. */
export const hot = (index: number, pages: number): Region => ({
  name: `hot ${index}`,
  start: rangeStart(index),
  pages,
  initial: READ_WRITE,
  layout: 'shared',
  discards: 'shared',
  writes: 'all',
});

/** Pages of which one CPU alone writes, so that it knows what is in them. */
export const kept = (index: number, pages: number, owner: number, cpu: number): Region => ({
  ...hot(index, pages),
  layout: 'fixed',
  discards: 'mine',
  writes: cpu === owner ? { step: 1, offset: 0 } : 'none',
});

/** A file that everybody writes and shortens. */
export const hotFile = (pages: number): FileUse => ({ name: 'hot file', pages, initial: 'token', writes: 'all', discards: 'shared' });

/** On the first device, read page by page. */
export const coldFile = (pages: number): FileSpec => ({ pages, kind: FILE_DISK, device: 0, raPages: 0 });

/** A mapping of the whole hot file. */
export const viewOf = (index: number, pages: number, shared: boolean): Region => ({
  ...hot(index, pages),
  backing: { file: 0, offset: 0, shared },
});

export interface Trigger extends Omit<ScenarioNeeds, 'files'> {
  readonly name: string;
  readonly story: string;
  /** As CPU `cpu` sees them. Mapped before the start, unless `setup` says otherwise. */
  readonly regions: readonly Region[] | ((cpu: number) => readonly Region[]);
  readonly setup?: readonly Op[];
  /** What each CPU repeats; the last list is that of all further CPUs, too. */
  readonly lists: readonly (readonly Op[])[];
  /** What a CPU does before the start. */
  readonly before?: readonly (readonly Op[])[];
  readonly file?: { readonly use: FileUse; readonly spec: FileSpec };
  readonly signals?: boolean;
  /** The last CPU answers the others until they have ended. */
  readonly helper?: boolean;
}

export function trigger({ name, story, regions, setup, lists, before = [], file, signals, helper, ...needs }: Trigger): Scenario {
  const regionsOf = (cpu: number): readonly Region[] => (typeof regions === 'function' ? regions(cpu) : regions);
  return {
    ...needs,
    name: `trigger_${name}`,
    story,
    mustSee: [],
    cpusMin: lists.length,
    ...(file === undefined ? {} : { files: () => [file.spec] }),
    setup: () => setup ?? regionsOf(0).map((region) => mapRegion(region)),
    program: (cpu, { cpus }): Program => ({
      regions: regionsOf(cpu),
      body: { list: lists[Math.min(cpu, lists.length - 1)] as readonly Op[] },
      ...(file === undefined ? {} : { files: [file.use] }),
      ...(before[cpu] === undefined ? {} : { setup: before[cpu] as readonly Op[] }),
      ...(signals === undefined ? {} : { signals }),
      ...(helper === true && cpu === cpus - 1 ? { helper } : {}),
    }),
  };
}

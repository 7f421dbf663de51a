/**
 * What the execution of a program on one CPU carries around: the CPU, what it knows of its pages, its source of stamps.
 * Next: execute_op.ts
 */
import type { MappingId } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { sampleWritebackErrors } from '@faultlab/core/io/writeback';
import { fileToken } from '@faultlab/core/mm/filemap';
import type { ArenaMap } from '../arena_map.ts';
import { FileShadow } from './file_shadow.ts';
import type { Troubles } from './outcome.ts';
import { PageShadow } from './page_shadow.ts';
import { type Program, troublesOf } from './program.ts';
import { StampSource } from './stamp.ts';

export interface Actor {
  readonly cpu: Cpu;
  readonly arena: ArenaMap;
  /** The address space that the program runs on. */
  readonly home: number;
  readonly shadows: readonly PageShadow[];
  /** The model's files, by their numbers in the run. */
  readonly files: readonly MappingId[];
  /** What is known of them; nothing of a file that the program does not name. */
  readonly fileShadows: readonly FileShadow[];
  readonly stamps: StampSource;
  /** CPUs of the run that have programs of their own, the first ones. */
  readonly cpus: number;
  /** Signals may end calls and accesses. */
  readonly signals: boolean;
  /** The same, and what else may go wrong. */
  readonly troubles: Troubles;
}

export function createActor(cpu: Cpu, arena: ArenaMap, home: number, program: Program, files: readonly number[] = [], cpus = 1): Actor {
  const mappings = files as readonly MappingId[];
  for (const file of mappings) sampleWritebackErrors(cpu, file);
  const fileShadows = (program.files ?? []).map(
    (use, file) => new FileShadow(use, file, (page) => fileToken(mappings[file] as MappingId, page), program.ioErrors),
  );
  return {
    cpu,
    arena,
    home,
    shadows: program.regions.map((region) => new PageShadow(region, fileShadows)),
    files: mappings,
    fileShadows,
    stamps: new StampSource(cpu.id),
    cpus,
    signals: program.signals ?? false,
    troubles: troublesOf(program),
  };
}

/** The shadow that knows the page. Regions are few, so a look at each is fast. */
export function shadowOf(actor: Actor, page: number): PageShadow | undefined {
  for (const shadow of actor.shadows) if (shadow.covers(page)) return shadow;
  return undefined;
}

/**
 * Before a replay, on one CPU: the files of the trace, and the address spaces that were there before its first operation.
 *
 *   resident   no device: a page is in memory as soon as somebody looks
 *   warm       on device 0, with all pages in memory when the replay starts
 *   cold       on device 0, with none
 *
 * Next: replay_cpu.ts
 */
import { type MappingId, NO_MAPPING } from '@faultlab/core/base/brand';
import { UsageError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { createFile, FILE_DISK } from '@faultlab/core/mm/address_space';
import { filemapGetResident } from '@faultlab/core/mm/filemap';
import { NO_FOLIO } from '@faultlab/core/mm/folio';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import type { WorkContext } from '../work.ts';
import { fileAt, replayWords } from './replay_map.ts';
import type { InitialSpace } from './replay_plan.ts';
import type { ReplayMap } from './replay_program.ts';
import { Spaces } from './spaces.ts';

/** Where the files of a replay are when it starts. */
export type FileState = 'resident' | 'warm' | 'cold';

/** The block device of all files of a replay. */
export const REPLAY_DEVICE = 0;

export interface PrepareOrder {
  readonly map: ReplayMap;
  readonly filePages: readonly number[];
  readonly files: FileState;
  readonly initial: readonly InitialSpace[];
  readonly stackPagesMax: number;
}

export default function prepare(context: WorkContext, { map, filePages, files, initial, stackPagesMax }: PrepareOrder): void {
  const { cpu } = context;
  const { user } = cpu.memory;
  context.arrive();
  user.fill(0, 0, replayWords(map));
  filePages.forEach((pages, file) => {
    const mapping = createFile(cpu, files === 'resident' ? pages : { pages, kind: FILE_DISK, device: REPLAY_DEVICE });
    if (mapping === NO_MAPPING) throw new UsageError('The machine has no room for the files of the trace; raise size.mappings.');
    user[fileAt(map, file)] = mapping;
    if (files === 'warm') bringIn(cpu, mapping, pages, context.progress);
  });
  const spaces = new Spaces(cpu, map, stackPagesMax);
  for (const { space, heap } of initial) {
    if (spaces.create(space, heap) !== 0)
      throw new UsageError('The machine has no room for the address spaces of the trace; raise size.mms.');
  }
}

/** Puts all pages of a file into memory, with what its device holds. */
function bringIn(cpu: Cpu, file: MappingId, pages: number, progress: () => void): void {
  for (let page = 0; page < pages; page++) {
    const folio = filemapGetResident(cpu, file, page);
    if (folio === NO_FOLIO) throw new UsageError('The files of the trace do not fit into memory all at once; use --cold.');
    folio_put(cpu, folio);
    progress();
  }
}

/**
 * Before a replay, on one CPU: the files of the trace, and the address spaces that were there before its first operation.
 * Next: replay_cpu.ts
 */
import { NO_MAPPING } from '@faultlab/core/base/brand';
import { UsageError } from '@faultlab/core/base/errors';
import { createFile } from '@faultlab/core/mm/address_space';
import type { WorkContext } from '../work.ts';
import { fileAt, replayWords } from './replay_map.ts';
import type { InitialSpace } from './replay_plan.ts';
import type { ReplayMap } from './replay_program.ts';
import { Spaces } from './spaces.ts';

export interface PrepareOrder {
  readonly map: ReplayMap;
  readonly filePages: readonly number[];
  readonly initial: readonly InitialSpace[];
  readonly stackPagesMax: number;
}

export default function prepare(context: WorkContext, { map, filePages, initial, stackPagesMax }: PrepareOrder): void {
  const { cpu } = context;
  const { user } = cpu.memory;
  context.arrive();
  user.fill(0, 0, replayWords(map));
  filePages.forEach((pages, file) => {
    const mapping = createFile(cpu, pages);
    if (mapping === NO_MAPPING) throw new UsageError('The machine has no room for the files of the trace; raise size.mappings.');
    user[fileAt(map, file)] = mapping;
  });
  const spaces = new Spaces(cpu, map, stackPagesMax);
  for (const { space, heap } of initial) {
    if (spaces.create(space, heap) !== 0)
      throw new UsageError('The machine has no room for the address spaces of the trace; raise size.mms.');
  }
}

/**
 * After a replay, on one CPU: ends the address spaces whose processes outlived the recording, and drops the files. Then nothing may be left.
 * Next: replay_trace.ts sweeps afterwards.
 */
import type { MappingId } from '@faultlab/core/base/brand';
import { closeFile } from '@faultlab/core/io/file';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import type { WorkContext } from '../work.ts';
import { fileAt } from './replay_map.ts';
import type { ReplayMap } from './replay_program.ts';
import { Spaces } from './spaces.ts';

export interface ClearOrder {
  readonly map: ReplayMap;
}

export default function clear(context: WorkContext, { map }: ClearOrder): void {
  const { cpu } = context;
  context.arrive();
  const spaces = new Spaces(cpu, map, 0);
  for (let space = 0; space < map.spaces; space++) {
    spaces.end(space);
    context.progress();
  }
  rcu_barrier(cpu);
  for (let file = 0; file < map.files; file++) {
    const mapping = cpu.memory.user[fileAt(map, file)] as MappingId;
    closeFile(cpu, mapping);
    context.progress();
  }
  rcu_barrier(cpu);
}

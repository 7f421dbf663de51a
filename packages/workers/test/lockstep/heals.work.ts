/**
 * Two operations: the first leaves a frame that is free with a reference, which no check on the way looks at; the second mends that. Who looks only
 * when all is over finds nothing.
 */
import type { Pfn } from '@faultlab/core/base/brand';
import { atomic_read } from '@faultlab/core/memory/atomic';
import { folioRefcountWord } from '@faultlab/core/mm/folio';
import type { WorkContext } from '@faultlab/workers/work';

export default function heals({ cpu, arrive, progress, atRest }: WorkContext, broken: boolean): void {
  const free = folioRefcountWord(cpu.memory, (cpu.memory.size.frames - 1) as Pfn);
  arrive();
  for (const count of [1, 0]) {
    atomic_read(cpu, free); // Alone: a step of the schedule.
    if (cpu.id === 0 && broken) cpu.words[free] = count;
    progress();
    atRest?.();
  }
}

/** A work for the benchmark of lock-step: operations of the funnel, in a schedule of its own. */
import type { Word } from '@faultlab/core/base/brand';
import { atomic_fetch_add } from '@faultlab/core/memory/atomic';
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import type { WorkContext } from '@faultlab/workers/work';

export default function steps({ cpu, arrive }: WorkContext, count: number): void {
  const word = (cpu.memory.userAt + LINE_WORDS * (1 + cpu.id)) as Word;
  arrive();
  for (let i = 0; i < count; i++) atomic_fetch_add(cpu, word, 1);
}

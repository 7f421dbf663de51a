/** How many additions per second threads make on one word, and on words of their own. */
import type { Word } from '@faultlab/core/base/brand';
import { atomic_fetch_add } from '@faultlab/core/memory/atomic';
import { repeatUntil, type Work } from '../../work.ts';

const STRIDE = 64;

const adding = (own: boolean): Work => ({
  name: own ? 'atomic_fetch_add, own word' : 'atomic_fetch_add, one word',
  run: ({ cpu, base, thread, until }) => {
    const word = (base + (own ? thread * STRIDE : 0)) as Word;
    const operations = repeatUntil(until, (count) => {
      for (let i = 0; i < count; i++) atomic_fetch_add(cpu, word, 1);
    });
    return { operations };
  },
});

export const atomicWorks: readonly Work[] = [adding(false), adding(true)];

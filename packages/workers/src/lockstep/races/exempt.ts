/**
 * The words whose plain accesses are not asked for an order: what a CPU publishes about itself for those who look at it from outside. Only its
 * own CPU writes them, and who reads them - the watchdog, a report, a check that asks who else holds a lock - takes them for a hint, or looks
 * at what no right run can change under its eyes.
 * Next: race_detector.ts
 */
import type { Layout } from '@faultlab/core/memory/layout';
import { HELD_MAX, HELD_WORDS, IO_SLEEP_WORDS, PC_HELD, PC_IO_SLEEPS, PC_TASK_STATE, PERCPU_WORDS } from '@faultlab/core/memory/percpu';

/** A test for words of an arena of that layout. */
export function exemptWords(layout: Layout): (word: number) => boolean {
  const { percpu, trace } = layout.regions;
  return (word) => {
    if (word >= trace.base && word < trace.base + trace.words) return true;
    if (word < percpu.base || word >= percpu.base + percpu.words) return false;
    const field = (word - percpu.base) % PERCPU_WORDS;
    if (field >= PC_IO_SLEEPS && field < PC_IO_SLEEPS + IO_SLEEP_WORDS) return true;
    return field < PC_TASK_STATE || (field >= PC_HELD && field < PC_HELD + HELD_MAX * HELD_WORDS);
  };
}

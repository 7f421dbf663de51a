/**
 * How large the JavaScript heap of a thread may get. A thread of a machine works for hours without ever being idle, and V8 collects old garbage late
 * when the limit is far away: with 256 MB each, a soak's memory crept up by a third within half an hour although nothing was kept.
 * Next: cpu_pool.ts and machine_threads.ts start threads with it
 */
import type { ResourceLimits } from 'node:worker_threads';

/** Of the old generation, in megabytes; what a CPU keeps is below 20. */
export const HEAP_MB_DEFAULT = 96;
/** Of the young generation, in megabytes: the model makes little garbage, and most of it is gone at once. */
const YOUNG_MB = 6;

/** @param heapMb of the old generation, in megabytes */
export const heapLimits = (heapMb: number): ResourceLimits => ({ maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: YOUNG_MB });

/**
 * Where a replay keeps what its CPUs share, as indices into the `user` words: a line per thread of the trace for its completion count,
 * a word that never changes to sleep on, and the tables that lead from spaces and files of the trace to those of the model.
 * Next: completion.ts
 */
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import type { ReplayMap } from './replay_program.ts';

/** Operations that a thread has completed, as far as it has said. */
export const completedAt = (thread: number): number => (thread + 1) * LINE_WORDS;
/** Sleepers on the count. */
export const waitersAt = (thread: number): number => completedAt(thread) + 1;
/** Never written: for sleeps that end by their timeout. */
export const QUIET_AT = 0;

const tablesAt = (map: ReplayMap): number => completedAt(map.threads);
/** The model's address space for one of the trace; 0 while there is none. */
export const spaceAt = (map: ReplayMap, space: number): number => tablesAt(map) + space;
/** The model's file for one of the plan. */
export const fileAt = (map: ReplayMap, file: number): number => tablesAt(map) + map.spaces + file;

/** Words that a replay needs. */
export const replayWords = (map: ReplayMap): number => tablesAt(map) + map.spaces + map.files;

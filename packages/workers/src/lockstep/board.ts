/**
 * The board: all words by which the threads of a lock-step run know whose turn it is, who can move, what has been chosen so far and how
 * late it is. It lies outside the machine's memory, so that this can be put back between two schedules.
 * Only the CPU that has the turn reads and writes these words, plainly; the turn itself is handed over by an atomic store, which orders
 * everything before it.
 * Next: gate.ts moves on it, strategies/ draw from it.
 */
import { UsageError } from '@faultlab/core/base/errors';

/** Bits of a mask of CPUs. */
export const LOCKSTEP_CPUS_MAX = 30;

// --- the schedule ------------------------------------------------------------------------------------------------------------------
/** CPUs of the run, and the schedule that is being made, from 0. */
export const B_CPUS = 0;
export const B_SCHEDULE = 1;
/** PHASE_* below. */
export const B_PHASE = 2;
/** Operations executed in this schedule; those before the start count, too. */
export const B_STEPS = 3;
/** The clock, in microseconds: it goes on with each operation, and jumps when nobody can move before some time has passed. */
export const B_NOW_US = 4;
/** Of the order of all operations and of what each of them was. */
export const B_HASH = 5;
/** Choices between two or more CPUs. */
export const B_DECISIONS = 6;
/** Choices that were not the default, which are listed. */
export const B_DEVIATIONS = 7;
/** Operations, and weighted jumps of the clock, since a CPU last said that it made progress. */
export const B_STILL = 8;
/** ENDED_* below: how the schedule ended. */
export const B_ENDED = 9;
/** The CPU that ended it, or -1. */
export const B_ENDED_BY = 10;
/** Sleepers are woken in the order of their tickets. */
export const B_TICKET = 11;
/** Operations of the schedule when the choices began. */
export const B_START_STEPS = 12;
/** What programs draw from. */
export const B_PROGRAM_SEED = 13;
/** Steps of the longest schedule so far. */
export const B_STEPS_MAX = 14;
/** Choices of CPU that a replay could not follow. */
export const B_DIVERGED = 15;

// --- masks of CPUs -----------------------------------------------------------------------------------------------------------------
/** Takes part, and has not left. */
export const B_ALIVE = 16;
export const B_RUNNABLE = 17;
/** Sleeps, and has a time-out. */
export const B_TIMED = 18;
/** Not to be chosen while the CPUs come together at the start. */
export const B_HELD = 19;
/** Serves the others and ends with them. */
export const B_SERVERS = 20;
/** Its progress does not count: it helps, or serves. */
export const B_HELPERS = 21;

// --- what the run is told ------------------------------------------------------------------------------------------------------------
/** Microseconds of the clock for each operation. */
export const B_TICK_US = 24;
/** B_STILL at which nothing is called progress any more. */
export const B_STILL_MAX = 25;
/** Non-zero: each operation is written down. */
export const B_RECORD = 26;
/** Threads that are ready for the first schedule. */
export const B_READY = 27;
/** When the first sleep with a time-out ends, in microseconds. */
export const B_DUE_US = 28;
/** Pairs of accesses that nothing orders, found in this schedule. */
export const B_RACES = 30;
/** Non-zero: only those who serve are left, and end. */
export const B_CLOSING = 29;

/** For the strategy; what they mean is its own business. */
export const B_STRATEGY = 32;
export const STRATEGY_WORDS = 32;

/** Two lines for each CPU: the turn, which others write, and what is known of the CPU. */
const CPU_BASE = 64;
const CPU_WORDS = 32;
/** 1: it is this CPU's turn. */
export const C_TURN = 0;
/** 1: the thread sleeps until it is. */
export const C_ASLEEP = 1;
/** The operation that the CPU is about to do. */
export const C_KIND = 16;
export const C_WORD = 17;
/** What it sleeps on, since when among the sleepers, until when, and whether somebody woke it. */
export const C_PARK_WORD = 18;
export const C_TICKET = 19;
export const C_DEADLINE_US = 20;
export const C_WOKEN = 21;
/** For the strategy. */
export const C_PRIORITY = 22;
/** Operations of its program that are over, and steps since the last of them: where the CPU is, whatever the others do. */
export const C_OPS = 23;
export const C_OP_STEPS = 24;
/** Both as they were when the CPU was last between two operations (rest_sweep.ts). */
export const C_REST_OPS = 25;
export const C_REST_STEPS = 26;

const DEVIATIONS_BASE: number = CPU_BASE + LOCKSTEP_CPUS_MAX * CPU_WORDS;
/** A deviation is the number of the choice, the CPU, and who chose where: see anchors.ts. */
export const DEVIATION_WORDS = 4;
export const DEVIATIONS_MAX = 65_536;
const STACK_BASE: number = DEVIATIONS_BASE + DEVIATION_WORDS * DEVIATIONS_MAX;
/** For a search: one entry for each choice on the way to where it is. */
export const STACK_WORDS = 4;
export const STACK_MAX = 16_384;
const RECORD_BASE: number = STACK_BASE + STACK_WORDS * STACK_MAX;
/** A recorded operation: CPU and kind, word, CPUs that could have moved instead. */
export const RECORD_WORDS = 3;
export const RECORDS_MAX = 65_536;
const BOARD_WORDS: number = RECORD_BASE + RECORD_WORDS * RECORDS_MAX;

/** The CPUs come together, without any choice; they move by the strategy; the exploration is over. */
export const PHASE_GATHER = 0;
export const PHASE_SETTLE = 1;
export const PHASE_RUN = 2;
export const PHASE_OVER = 3;

export const ENDED_WELL = 0;
/** A CPU threw; what, its thread knows. */
export const ENDED_THROWN = 1;
export const ENDED_DEADLOCK = 2;
export const ENDED_LIVELOCK = 3;
/** The strategy did not want to see the rest. */
export const ENDED_CUT = 4;

export type Board = Int32Array<SharedArrayBuffer>;

export function createBoard(cpus: number): Board {
  if (cpus > LOCKSTEP_CPUS_MAX) {
    throw new UsageError(`A lock-step run has at most ${LOCKSTEP_CPUS_MAX} CPUs, devices included, but this one needs ${cpus}; use fewer.`);
  }
  const board: Board = new Int32Array(new SharedArrayBuffer(BOARD_WORDS * 4));
  board[B_CPUS] = cpus;
  return board;
}

/** Index of a word of a CPU. */
export const cpuAt = (cpu: number, field: number): number => CPU_BASE + cpu * CPU_WORDS + field;
export const deviationAt = (index: number): number => DEVIATIONS_BASE + index * DEVIATION_WORDS;
export const stackAt = (index: number): number => STACK_BASE + index * STACK_WORDS;
export const recordAt = (index: number): number => RECORD_BASE + index * RECORD_WORDS;

/** The CPU of the lowest bit; 31 for none. */
export const lowest = (mask: number): number => 31 - Math.clz32(mask & -mask);
/** The CPU of the lowest bit above `cpu`, or else the lowest of all. */
export const nextAfter = (mask: number, cpu: number): number => {
  const above = mask & (-2 << cpu);
  return lowest(above === 0 ? mask : above);
};

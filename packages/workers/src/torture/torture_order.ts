/**
 * What the threads of a torture are told: plain data, apart from the shared memory in it.
 */
import type { TortureState } from './torture_state.ts';

/** Where the adapter is: for import(), and as the user named it. */
export interface AdapterPlace {
  readonly href: string;
  readonly where: string;
}

/**
 * `mixed`: readers and writers as they come. `overlap`: one writer, and readers each of whom stays until another one is in, so that the lock is
 * never free of readers unless it holds new ones back.
 */
export type Pattern = 'mixed' | 'overlap';

export interface LockstepTortureOrder extends AdapterPlace {
  readonly shared: unknown;
  readonly state: TortureState;
  readonly threads: number;
  readonly pattern: Pattern;
  /** Acquisitions of each thread in a schedule. */
  readonly rounds: number;
  /** Overtakings of a waiting writer that are called starvation. */
  readonly overtakingsMax: number;
}

export interface FreeTortureOrder extends AdapterPlace {
  readonly shared: unknown;
  readonly state: TortureState;
  readonly thread: number;
  readonly threads: number;
  readonly writers: number;
  readonly pattern: Pattern;
  readonly overtakingsMax: number;
  readonly ms: number;
  readonly seed: number;
}

/** What a thread says when it has ended by itself. */
export type FreeTortureAnswer =
  | { readonly end: 'finished' }
  | { readonly end: 'fault'; readonly fault: string; readonly message: string }
  | { readonly end: 'threw'; readonly message: string };

export interface ProbeAnswer {
  readonly name: string;
  readonly kind: 'exclusive' | 'readers-writer';
  readonly tries: boolean;
  /** Operations of the Atomics object or of the gate that it was given, in one acquisition and release. */
  readonly steps: number;
}

/**
 * What is said of a mutant: a bug that somebody really had, or nearly had, and which rule of the machine it breaks.
 * Next: mutants/lifetime.ts
 */

/** How much it takes to run into it: any scheduler will do, two CPUs at the same page or area, or a delay between two named points. */
export type Difficulty = 'easy' | 'medium' | 'hard';

export interface Mutant {
  /** What `cpu.mutant` is then. */
  readonly number: number;
  /** `B28-anon`: the entry of the catalogue, and which of its variants. */
  readonly id: string;
  readonly title: string;
  /** How it goes wrong, in a sentence or two. */
  readonly trigger: string;
  /** Rules of docs/INVARIANTS.md and of liveness, any of which tells it. */
  readonly breaks: readonly string[];
  /** The commit of the kernel that has the fix, a CVE, a release; or how it is known. */
  readonly source: string;
  readonly difficulty: Difficulty;
  /** The interleaving in columns, one a CPU, in the order of the numbers. */
  readonly drawing: string;
}

/** A bug of the catalogue that this model cannot have, or that is something else here. */
export interface Unmodelled {
  readonly id: string;
  readonly title: string;
  readonly reason: string;
}

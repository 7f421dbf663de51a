/** What a mutant was caught by. Next: hunt.ts */
export interface Caught {
  /** A rule of docs/INVARIANTS.md, or `stall`. */
  readonly by: string;
  readonly message: string;
}

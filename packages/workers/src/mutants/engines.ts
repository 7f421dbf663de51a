/**
 * Ways to hunt a mutant. `forced`: one thread carries the interleaving out, step by step. `lockstep`: schedules of threads that take turns, drawn by
 * a strategy. `free`: real threads, with delays.
 * Next: kill_matrix.ts
 */
export const ENGINES = ['forced', 'lockstep', 'free'] as const;
export type EngineName = (typeof ENGINES)[number];

export const LOCKSTEP_STRATEGIES = ['pct', 'random', 'pos', 'dfs'] as const;
export type LockstepStrategy = (typeof LOCKSTEP_STRATEGIES)[number];

/** An engine, or lock-step with one of its strategies: a column of the matrix. */
export type Way = 'forced' | 'free' | `lockstep/${LockstepStrategy}`;

export function waysOf(engines: readonly EngineName[], strategies: readonly LockstepStrategy[]): Way[] {
  return ENGINES.filter((engine) => engines.includes(engine)).flatMap((engine): Way[] =>
    engine === 'lockstep'
      ? LOCKSTEP_STRATEGIES.filter((name) => strategies.includes(name)).map((name) => `lockstep/${name}` as const)
      : [engine],
  );
}

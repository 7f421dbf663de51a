/**
 * Runs claims one after the other: figures, verdict, and what the host did meanwhile.
 * Next: claims_file.ts
 */
import { type Claim, type ClaimVerdict, undecided } from './claim.ts';
import { ClaimRuns, type ClaimRunsOptions, InterruptedError, TooBusyError } from './claim_runs.ts';
import type { ClaimResult } from './claims_file.ts';

export interface RunClaimsOptions extends ClaimRunsOptions {
  readonly claims: readonly Claim[];
  /** Called when a claim begins, and with its result when it ends. */
  readonly onBegin?: (claim: Claim) => void;
  readonly onEnd?: (result: ClaimResult) => void;
}

/** @returns the results so far when interrupted */
export async function runClaims(options: RunClaimsOptions): Promise<ClaimResult[]> {
  const results: ClaimResult[] = [];
  for (const claim of options.claims) {
    if (options.signal?.aborted === true) break;
    options.onBegin?.(claim);
    try {
      const result = await runClaim(claim, options);
      results.push(result);
      options.onEnd?.(result);
    } catch (error) {
      if (error instanceof InterruptedError) break;
      throw error;
    }
  }
  return results;
}

/** @throws InterruptedError; StallError or Error when a run of the model went wrong */
export async function runClaim(claim: Claim, options: ClaimRunsOptions): Promise<ClaimResult> {
  const startMs = performance.now();
  const runs = new ClaimRuns(options);
  const { id, title, source, setup, expected, cannotTell, decidedBy } = claim;
  const said = { id, title, claim: claim.claim, source, setup, expected, cannotTell, decidedBy };
  const ended = (): { readonly seconds: number; readonly othersCores: number } => ({
    seconds: rounded((performance.now() - startMs) / 1000),
    othersCores: rounded(runs.othersCores),
  });
  try {
    const measured = await claim.measure(runs);
    const all = Object.entries(claim.figures).map(([key, { name, unit }]) => ({ name, unit, value: rounded(measured[key] as number) }));
    const figures = all.filter(({ value }) => Number.isFinite(value));
    const missing = all.filter((figure) => !figures.includes(figure)).map(({ name }) => name);
    const judged = missing.length === 0 ? claim.judge(measured) : undecided(`Nothing was there to measure for: ${missing.join('; ')}.`);
    return { ...said, ...judged, busy: false, figures, ...ended() };
  } catch (error) {
    if (!(error instanceof TooBusyError)) throw error;
    const verdict: ClaimVerdict = 'undecided';
    return { ...said, verdict, text: error.message, busy: true, figures: [], ...ended() };
  }
}

/** Six significant digits are more than a run is worth. */
const rounded = (value: number): number => Number(value.toPrecision(6));

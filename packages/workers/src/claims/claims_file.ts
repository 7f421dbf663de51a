/**
 * Results of claims as a file: written by `faultlab claims --json`, committed as results/claims.json, read by the page and the report.
 * Next: scripts/claims_page.mjs
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UsageError } from '@faultlab/core/base/errors';
import * as v from 'valibot';
import type { Environment } from '../environment.ts';
import type { ClaimVerdict } from './claim.ts';

/** Version of the shape; changes when a reader of old files would misread new ones. */
export const CLAIMS_SCHEMA = 1 as const;

export interface ClaimResult {
  readonly id: string;
  readonly title: string;
  readonly claim: string;
  readonly source: string;
  readonly setup: string;
  readonly expected: string;
  readonly cannotTell: string;
  readonly decidedBy: 'counts' | 'time';
  readonly verdict: ClaimVerdict;
  readonly text: string;
  /** Undecided because other programs used the host. */
  readonly busy: boolean;
  readonly figures: readonly { readonly name: string; readonly unit: string; readonly value: number }[];
  readonly seconds: number;
  /** The most that other programs had of the host in a round that counts. */
  readonly othersCores: number;
}

export interface ClaimsFile {
  readonly schema: typeof CLAIMS_SCHEMA;
  readonly kind: 'claims';
  readonly parameters: { readonly rounds: number; readonly seed: number };
  readonly environment: Environment;
  readonly claims: readonly ClaimResult[];
}

const text = v.pipe(v.string(), v.minLength(1));
const FIGURE = v.strictObject({ name: text, unit: text, value: v.pipe(v.number(), v.finite()) });
const RESULT = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^C\d+$/)),
  title: text,
  claim: text,
  source: text,
  setup: text,
  expected: text,
  cannotTell: text,
  decidedBy: v.picklist(['counts', 'time']),
  verdict: v.picklist(['held', 'not held', 'undecided']),
  text,
  busy: v.boolean(),
  figures: v.array(FIGURE),
  seconds: v.number(),
  othersCores: v.number(),
});
const FILE = v.object({
  schema: v.literal(CLAIMS_SCHEMA),
  kind: v.literal('claims'),
  parameters: v.strictObject({ rounds: v.number(), seed: v.number() }),
  environment: v.object({
    node: v.string(),
    v8: v.string(),
    platform: v.string(),
    cpuModel: v.string(),
    cores: v.number(),
    load: v.number(),
  }),
  claims: v.array(RESULT),
});

/** The verdicts that results are compared with, in a checkout. */
export const COMMITTED: string = fileURLToPath(new URL('../../../../results/claims.json', import.meta.url));

/** @throws UsageError when the file cannot be read or is no such file */
export function readClaimsFile(path: string): ClaimsFile {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is not JSON' : ((error as NodeJS.ErrnoException).code ?? 'unknown error');
    throw new UsageError(`${path} cannot be read as results of claims (${why}); name a file that faultlab claims --json has written.`);
  }
  const checked = v.safeParse(FILE, parsed);
  if (checked.success) return checked.output;
  const [issue] = checked.issues;
  const where = v.getDotPath(issue) ?? 'the whole file';
  throw new UsageError(
    `${path} is not a file of results of claims (${where}: ${issue.message}); name one that faultlab claims --json has written.`,
  );
}

/** The committed file, or undefined outside a checkout. */
export const readCommitted = (path: string = COMMITTED): ClaimsFile | undefined => (existsSync(path) ? readClaimsFile(path) : undefined);

export interface ChangedVerdict {
  readonly id: string;
  readonly before: string;
  readonly now: string;
}

/** Verdicts that are not what was committed. That the host had no time, now or then, is no change; nor is a claim that was not there. */
export function changedVerdicts(committed: ClaimsFile | undefined, results: readonly ClaimResult[]): ChangedVerdict[] {
  return results.flatMap(({ id, verdict, busy }): ChangedVerdict[] => {
    const before = committed?.claims.find((claim) => claim.id === id);
    if (before === undefined || busy || before.busy || before.verdict === verdict) return [];
    return [{ id, before: before.verdict, now: verdict }];
  });
}

/** The committed results with new ones in the place of those of the same claims, by number. */
export function merged(committed: ClaimsFile | undefined, file: ClaimsFile): ClaimsFile {
  const kept = (committed?.claims ?? []).filter(({ id }) => file.claims.every((claim) => claim.id !== id));
  const number = ({ id }: ClaimResult): number => Number(id.slice(1));
  return { ...file, claims: [...kept, ...file.claims].sort((a, b) => number(a) - number(b)) };
}

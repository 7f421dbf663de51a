/**
 * What a report shows of a file of claims.
 * Next: page_data.ts
 */
import type { ClaimResult, ClaimsFile } from '../claims/claims_file.ts';
import { hostFacts } from './of_comparison.ts';
import type { Fact, ShownClaims } from './page_data.ts';

/** Of a file that was read. @param name what the reader calls it */
export function shownClaims({ environment, parameters, claims }: ClaimsFile, name: string): ShownClaims {
  const busy = claims.filter((claim) => claim.busy).map(({ id }) => id);
  return {
    title: `Claims: ${name}`,
    facts: [
      ...hostFacts(environment),
      { name: 'rounds', value: String(parameters.rounds) },
      { name: 'seed', value: String(parameters.seed) },
    ],
    warnings: busy.length === 0 ? [] : [`other programs used the host, so these are undecided: ${busy.join(', ')}`],
    claims: claims.map((claim) => ({
      id: claim.id,
      title: claim.title,
      verdict: claim.verdict,
      text: claim.text,
      figures: claim.figures,
      story: storyOf(claim),
    })),
  };
}

const storyOf = ({ claim, source, setup, expected, cannotTell, decidedBy, text }: ClaimResult): Fact[] => [
  { name: 'claim', value: claim },
  { name: 'source', value: source },
  { name: 'set-up', value: setup },
  { name: 'expected', value: expected },
  { name: 'decided by', value: decidedBy },
  { name: 'outcome', value: text },
  { name: 'what a model cannot tell', value: cannotTell },
];

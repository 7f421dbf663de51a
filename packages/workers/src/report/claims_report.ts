/** Results of claims as text. */
import type { ClaimResult } from '../claims/claims_file.ts';
import { textTable } from './text_table.ts';

/** A block for a claim: its verdict first. */
export function claimLines(result: ClaimResult): string[] {
  const { id, title, verdict, text, figures, seconds } = result;
  const rows = figures.map(({ name, unit, value }) => [`  ${name}`, figure(value), unit]);
  return [
    `${id} ${verdict.toUpperCase()}: ${title} (${seconds.toFixed(1)} s)`,
    ...textTable(['', '', ''], rows, ['left', 'right', 'left']).slice(1),
    `  ${text}`,
  ];
}

/** Whole numbers as they are, others with four significant digits. */
export function figure(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 10_000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(4)));
}

/** The last line. */
export function tally(results: readonly ClaimResult[], interrupted = false): string {
  const count = (verdict: ClaimResult['verdict']): number => results.filter((result) => result.verdict === verdict).length;
  const fields = `${count('held')} held, ${count('not held')} not held, ${count('undecided')} undecided`;
  return `claims: ${fields}${interrupted ? ' (interrupted)' : ''}`;
}

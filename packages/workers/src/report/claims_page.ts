/**
 * Results of claims as a page of documentation: the same file gives the same text.
 * Next: scripts/claims_page.mjs
 */
import type { ClaimResult, ClaimsFile } from '../claims/claims_file.ts';
import { figure, tally } from './claims_report.ts';

const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
const table = (header: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  row(header),
  row(header.map(() => '---')),
  ...rows.map(row),
  '',
];

/** The whole page. */
export function claimsPage(file: ClaimsFile): string {
  const { claims } = file;
  return [
    '# Claims',
    '',
    'What was said about page-fault locking, looked at again in the model. This page is made by `node scripts/claims_page.mjs` from',
    '`results/claims.json`, which `faultlab claims --accept` writes; `faultlab claims` measures again and says which verdicts changed.',
    '',
    'Counts are the same in every run. Times were taken in rounds in which all variants had their turn, and a figure is the median over the rounds; a round',
    'in which other programs had too much of the host does not count. The check of each claim was written down before it was measured, and mended where',
    'something else turned out to be measured; the verdict of the mended one is the one below, and a claim that',
    'does not meet it has not held, whatever the reason.',
    '',
    ...host(file),
    '## Verdicts',
    '',
    ...table(
      ['claim', 'what', 'decided by', 'verdict'],
      claims.map(({ id, title, decidedBy, verdict }) => [`[${id}](#${id.toLowerCase()})`, title, decidedBy, strong(verdict)]),
    ),
    `${tally(claims).replace('claims: ', '')}.`,
    '',
    ...listed('Claims that did not hold, and why', claims, 'not held'),
    ...listed('Claims that could not be decided, and why', claims, 'undecided'),
    ...claims.flatMap(section),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

const strong = (verdict: ClaimResult['verdict']): string => (verdict === 'held' ? verdict : `**${verdict}**`);

function host({ environment, parameters }: ClaimsFile): string[] {
  const { cores, cpuModel, node, platform } = environment;
  return [`Last run: ${cores} cores, ${cpuModel}, Node ${node}, ${platform}; ${parameters.rounds} rounds, seed ${parameters.seed}.`, ''];
}

function listed(title: string, claims: readonly ClaimResult[], verdict: ClaimResult['verdict']): string[] {
  const found = claims.filter((claim) => claim.verdict === verdict);
  if (found.length === 0) return [`## ${title}`, '', 'None.', ''];
  return [`## ${title}`, '', ...found.map(({ id, title: what, text }) => `- ${id}, ${what}: ${text}`), ''];
}

function section(claim: ClaimResult): string[] {
  const { id, title, source, setup, expected, cannotTell, verdict, text, figures, seconds, othersCores } = claim;
  const measured = `Measured in ${seconds.toFixed(0)} s; other programs had at most ${othersCores.toFixed(2)} cores in a round that counts.`;
  return [
    `## ${id}`,
    '',
    `**${title}.** ${claim.claim} (${source})`,
    '',
    `- Set-up: ${setup}`,
    `- Expected: ${expected}`,
    `- Verdict: **${verdict}**. ${text}`,
    `- What a model cannot tell: ${cannotTell}`,
    '',
    ...(figures.length === 0
      ? ['There are no figures.', '']
      : table(
          ['figure', 'value', 'unit'],
          figures.map(({ name, value, unit }) => [name, figure(value), unit]),
        )),
    ...(claim.decidedBy === 'time' ? [measured, ''] : []),
  ];
}

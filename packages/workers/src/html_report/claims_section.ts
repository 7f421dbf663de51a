/**
 * Claims on a page: a table of verdicts, and behind each claim its story and its figures.
 * Next: page.ts
 */
import { factList, warningList } from './comparison_section.ts';
import { said } from './figures.ts';
import { html, type Markup } from './markup.ts';
import type { ShownClaim, ShownClaims } from './page_data.ts';
import { tableOf } from './tables.ts';

const SIGNS: Readonly<Record<ShownClaim['verdict'], string>> = { held: '✓ held', 'not held': '✗ not held', undecided: '? undecided' };

/** @param id unlike that of any other section of the page */
export function claimsSection(id: string, { title, facts, warnings, claims }: ShownClaims): Markup {
  const table = tableOf({
    caption: 'Verdicts',
    header: ['claim', 'what is claimed', 'verdict', 'why'],
    rows: claims.map((claim) => [claim.id, claim.title, SIGNS[claim.verdict], claim.text]),
  });
  const count = (verdict: ShownClaim['verdict']): number => claims.filter((claim) => claim.verdict === verdict).length;
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${factList(facts)}${warningList(warnings)}
<p class="note">${count('held')} held, ${count('not held')} not held, ${count('undecided')} undecided.</p>
<div class="claims">${table}</div>${claims.map(oneClaim)}</section>
`;
}

function oneClaim({ id, title, story, figures }: ShownClaim): Markup {
  const rows = figures.map(({ name, value, unit }) => [name, said(value), unit]);
  return html`<details><summary>${id}: ${title}</summary><div class="story">${factList(story)}</div>${tableOf({ caption: `Figures of ${id}`, header: ['figure', 'value', 'unit'], rows })}</details>
`;
}
